"""The allowances of one connection, and the sessions that spend them."""

from dataclasses import dataclass
from hashlib import blake2b

import requests
from redis import Redis

from pipeline.config import Connection, Rate, Settings
from pipeline.ghl.client import HEADERS as GHL_HEADERS
from pipeline.meters import MeteredBudget, Meters, counted_calls
from pipeline.permit import Lane, Permit
from pipeline.session import ApiSession
from pipeline.store.bucket import Bucket
from pipeline.store.ledger import LEASE_SECONDS, Ledger
from pipeline.store.state import bucket_key


@dataclass(frozen=True)
class Vendors:
    """Both vendors as one connection reaches them; Mailjet's Send API has a limit of
    its own."""

    ghl_bucket: Bucket
    mailjet_bucket: Bucket
    mailjet_send_bucket: Bucket
    ghl_session: ApiSession
    mailjet_session: ApiSession
    mailjet_send_session: ApiSession


def reach(
    connection: Connection,
    settings: Settings,
    redis: "Redis",
    ledger: Ledger,
    http: requests.Session,
    meters: Meters,
) -> Vendors:
    """Make buckets and sessions; connects to nothing yet."""

    def allowance(vendor: str, resource: str, rate: Rate, daily: int = 0) -> Bucket:
        return Bucket(
            redis,
            bucket_key(vendor, resource),
            rate,
            daily=daily or None,
            reserve=daily * connection.daily_reserve // 100,
            lease_keys=ledger.lease_keys,
            lease_seconds=LEASE_SECONDS,
        )

    def mailjet_session(budget: Bucket, resource: str) -> ApiSession:
        return ApiSession(
            "mailjet",
            connection.mailjet_base_url,
            auth=(connection.mailjet_api_key, connection.mailjet_secret_key),
            budget=MeteredBudget(budget, meters, connection.name, resource),
            permit=idle,
            read_only=settings.read_only,
            http=http,
            on_call=on_call,
        )

    # The API key is half of a credential: it gives the bucket its name only as a hash.
    account = blake2b(connection.mailjet_api_key.encode(), digest_size=6).hexdigest()
    ghl = allowance(
        "ghl", connection.ghl_location_id, connection.ghl_rate, connection.ghl_daily
    )
    mailjet = allowance("mailjet", account, connection.mailjet_rate)
    mailjet_send = allowance("mailjet-send", account, connection.mailjet_send_rate)
    idle = Permit(Lane.BULK)
    on_call = counted_calls(meters, connection.name)
    return Vendors(
        ghl_bucket=ghl,
        mailjet_bucket=mailjet,
        mailjet_send_bucket=mailjet_send,
        ghl_session=ApiSession(
            "ghl",
            connection.ghl_base_url,
            headers={
                **GHL_HEADERS,
                "Authorization": f"Bearer {connection.ghl_token}",
            },
            budget=MeteredBudget(ghl, meters, connection.name, "ghl"),
            permit=idle,
            read_only=settings.read_only,
            http=http,
            on_call=on_call,
        ),
        mailjet_session=mailjet_session(mailjet, "mailjet"),
        mailjet_send_session=mailjet_session(mailjet_send, "mailjet-send"),
    )
