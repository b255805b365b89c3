"""How a client is told of the sandbox: variables, and a file of connections."""

import json
from collections.abc import Sequence

from pipeline.sandbox.world import World


def variables(
    worlds: Sequence[World], ghl_url: str, mailjet_url: str
) -> dict[str, str]:
    """The environment that leads here; the second location's names end with `_2`."""
    env = {
        "GHL_BASE_URL": ghl_url,
        **_ghl(worlds[0]),
        "GHL_WEBHOOK_PUBLIC_KEY": worlds[0].webhooks.public_key,
        "MAILJET_BASE_URL": mailjet_url,
        **_mailjet(worlds[0]),
    }
    for world in worlds[1:]:
        env |= {**_ghl(world), **_mailjet(world)}
    return env


def connections(worlds: Sequence[World], ghl_url: str, mailjet_url: str) -> str:
    """The text of a `connections.toml`: a table for each location, told the truth about
    its rates. The secrets are in the variables."""
    return "\n".join(_table(world, ghl_url, mailjet_url) for world in worlds)


def _ghl(world: World) -> dict[str, str]:
    keys = world.credentials
    return {
        f"GHL_TOKEN{keys.suffix}": keys.token,
        f"GHL_LOCATION_ID{keys.suffix}": keys.location_id,
    }


def _mailjet(world: World) -> dict[str, str]:
    keys = world.credentials
    return {
        f"MAILJET_API_KEY{keys.suffix}": keys.api_key,
        f"MAILJET_SECRET_KEY{keys.suffix}": keys.secret_key,
        f"MAILJET_LIST_ID{keys.suffix}": str(world.list_id),
    }


def _table(world: World, ghl_url: str, mailjet_url: str) -> str:
    keys, settings = world.credentials, world.settings
    values: dict[str, str | int] = {
        "ghl_base_url": ghl_url,
        "ghl_token_env": f"GHL_TOKEN{keys.suffix}",
        "ghl_location_id": keys.location_id,
        "ghl_daily": settings.ghl_daily,
        "mailjet_base_url": mailjet_url,
        "mailjet_api_key_env": f"MAILJET_API_KEY{keys.suffix}",
        "mailjet_secret_key_env": f"MAILJET_SECRET_KEY{keys.suffix}",
        "mailjet_list_id": world.list_id,
    }
    rates = {"ghl_rate": settings.ghl_rate, "mailjet_rate": settings.mailjet_rate}
    values |= {name: rate for name, rate in rates.items() if rate != "off"}
    name = "default" if not keys.suffix else f"location{keys.suffix}".replace("_", "-")
    # A JSON number or text without control characters is one of TOML's too.
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in values.items()]
    return "".join([f"[connections.{name}]\n", *lines])
