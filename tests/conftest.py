"""What tests share: one Redis-compatible server, and a sandbox for each module.

Tests isolate by connection: `redis` deletes all keys of the connection `default` before
each test that asks for it. Buckets stay: one that was lost begins with a pause. The
sandbox lives as long as its module; `driver` deletes its contacts, faults and log and
puts its settings back. Mailjet's people stay, so every test takes addresses that nobody
has (`fresh_email`).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings
from redis import Redis

from pipeline.store.ledger import Ledger
from tests.driver import Driver
from tests.sandbox import GhlCaller, MailjetCaller, Sandbox
from tests.valkey import Valkey

# Hypothesis' own 0.2 s for an example are a race with whatever else runs here.
settings.register_profile(
    "busy", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")

DriverFactory = Callable[..., Driver]
PLAIN_SETTINGS = {
    "retry_after": False,
    "latency_ms": 0.0,
    "allow_duplicates": True,
    "tags_bump_date_updated": True,
    "search_rows_lack": [],
    "values_rewritten": None,
    "historic_namespace": True,
    "message_lag_seconds": 0.0,
    "timezone": "Europe/Lisbon",
}


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """The server; its keys belong to the test that runs."""
    with Valkey() as server:
        yield server


@pytest.fixture
def redis(valkey: Valkey) -> Iterator[Redis]:
    """A client of a server on which the connection `default` is new."""
    with valkey.client() as client:
        if keys := list(client.scan_iter("gm:default:*", count=1000)):
            client.delete(*keys)
        yield client


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    """The empty ledger of the connection `default`."""
    return Ledger(redis, "default")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Both vendors, without contacts and without limits."""
    with Sandbox("--contacts", "0") as running:
        yield running


@pytest.fixture
def build_driver(
    valkey: Valkey, redis: Redis, sandbox: Sandbox
) -> Iterator[DriverFactory]:
    """Builds drivers with settings of their own, on an empty ledger and sandbox."""
    sandbox.clear_faults()
    sandbox.forget_callbacks()
    sandbox.stop_webhooks()
    sandbox.settings(**PLAIN_SETTINGS)
    for row in sandbox.contacts():
        sandbox.delete_contact(row["id"])
    for row in sandbox.subscribers():
        # Else they would look like contacts of ours that were deleted meanwhile.
        if row["properties"]:
            sandbox.delete_subscriber(row["id"])
    sandbox.clear_log()
    with ExitStack() as stack:
        yield lambda *rows, **env: stack.enter_context(
            Driver(valkey, sandbox, *rows, **env)
        )


@pytest.fixture
def driver(build_driver: DriverFactory) -> Driver:
    """A connection that is set up; the log begins after that."""
    driver = build_driver()
    driver.setup()
    return driver


@pytest.fixture
def ghl(sandbox: Sandbox) -> Iterator[GhlCaller]:
    """A stranger who calls the sandbox's GHL."""
    caller = GhlCaller(sandbox)
    yield caller
    caller.close()


@pytest.fixture
def mailjet(sandbox: Sandbox) -> Iterator[MailjetCaller]:
    """A stranger who calls the sandbox's Mailjet."""
    caller = MailjetCaller(sandbox)
    yield caller
    caller.close()


@pytest.fixture
def mailjet_list(mailjet: MailjetCaller) -> int:
    """A list that nobody is on."""
    return mailjet.new_list()
