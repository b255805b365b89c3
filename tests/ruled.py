"""A connection with rules of its own, driven by hand."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pipeline import sending
from pipeline.permit import Lane, Permit
from pipeline.store.state import connection_key
from tests.conftest import DriverFactory
from tests.driver import Driver
from tests.sandbox import Row, Sandbox

HEAD = """
[connections.default]
ghl_token_env = "GHL_TOKEN"
mailjet_api_key_env = "MAILJET_API_KEY"
mailjet_secret_key_env = "MAILJET_SECRET_KEY"
ghl_location_id = "{GHL_LOCATION_ID}"
mailjet_list_id = {MAILJET_LIST_ID}
ghl_base_url = "{GHL_BASE_URL}"
mailjet_base_url = "{MAILJET_BASE_URL}"
ghl_rate = "100000/10"
mailjet_rate = "100000/10"
mailjet_send_rate = "100000/10"
{more}
rules = [
{rules}
]
"""
LIVE = 'live = true\nquiet_hours = "none"'


def ruled(
    build_driver: DriverFactory,
    folder: Path,
    sandbox: Sandbox,
    *rules: str,
    more: str = LIVE,
    **env: str,
) -> Driver:
    """A connection with these rules, set up.

    Args:
        rules: each as a TOML value.
        more: other keys of the connection.
    """
    file = folder / "connections.toml"
    text = HEAD.format(**sandbox.env, more=more, rules=",\n".join(rules))
    file.write_text(text, "utf-8")
    driver = build_driver(SYNC_CONNECTIONS_FILE=str(file), **env)
    driver.setup()
    let_mails_leave(driver)
    return driver


def let_mails_leave(driver: Driver) -> None:
    """A new bucket begins with a pause, in which nothing would."""
    driver.kit.mailjet_send_bucket.take(Permit(Lane.LIVE))


def imported(driver: Driver) -> None:
    """The first import is done; who is made from now on is new."""
    driver.full_run()
    driver.sandbox.clear_log()


def now() -> str:
    """As GHL writes it."""
    told = datetime.now(UTC).isoformat(timespec="milliseconds")
    return told.replace("+00:00", "Z")


def created(driver: Driver, **fields: object) -> Row:
    """Somebody new in GHL, of whom a worker hears."""
    person = driver.person(dateAdded=now(), **fields)
    driver.sync(person["id"])
    driver.work()
    return person


def change(driver: Driver, person: Row, **fields: object) -> None:
    """Somebody edits the contact in GHL, and a worker hears of it."""
    driver.sandbox.put_contact(id=person["id"], **fields)
    driver.sync(person["id"])
    driver.work()


def send(driver: Driver) -> int:
    """All that is ready leaves, until nothing more does; how many orders that were."""
    total = 0
    while sent := sending.send_ready(driver.kit):
        total += sent
        driver.work()
    return total


def make_out_due(driver: Driver) -> None:
    """Whoever sends is dead, and it is time to look at what they left."""
    redis, key = driver.pipeline.redis, connection_key("default", "orders:out")
    if ids := redis.zrange(key, 0, -1):
        redis.zadd(key, dict.fromkeys(ids, 1))


def mails(sandbox: Sandbox, person: Row) -> Iterator[Row]:
    """What was sent to somebody by the Send API."""
    return (
        each
        for each in sandbox.messages()
        if each["email"] == person["email"] and each["said"]
    )
