"""Make and join all objects; the only place that does."""

from dataclasses import dataclass

import requests
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from pipeline import mapping_book, rule_book
from pipeline.config import Connection, Settings
from pipeline.errors import ConfigError
from pipeline.ghl.client import GhlClient
from pipeline.mailjet.client import MailjetClient
from pipeline.meters import NO_METERS, Meters
from pipeline.permit import Permit
from pipeline.policy_book import policy_of
from pipeline.session import ApiSession
from pipeline.store.activities import ActivityStore
from pipeline.store.bucket import Bucket
from pipeline.store.client import StateClient
from pipeline.store.consents import Consents
from pipeline.store.engagement import EngagementStore
from pipeline.store.feed import FeedStore
from pipeline.store.freshness import Freshness
from pipeline.store.happened import Happened
from pipeline.store.health import Health
from pipeline.store.inbox import Inbox
from pipeline.store.ledger import Ledger
from pipeline.store.mass import Emptying
from pipeline.store.memory import LeasedMemory
from pipeline.store.operator_pause import OperatorPause
from pipeline.store.optouts import OptOuts
from pipeline.store.orders import Orders
from pipeline.store.presence import Presence
from pipeline.store.processes import Processes
from pipeline.store.records import Opened
from pipeline.store.seen import SubscriberPages
from pipeline.store.setup import SetupRecord, SetupStore
from pipeline.store.timeline import Timeline
from pipeline.sync.mapping import FieldMap, Layout
from pipeline.sync.ports import Policy
from pipeline.sync.rules import Rule
from pipeline.transport import connections
from pipeline.vendors import reach
from pipeline.webhook_call import WebhookCaller


@dataclass(frozen=True)
class Kit:
    """Everything that one connection works with."""

    connection: Connection
    settings: Settings
    redis: "Redis"
    ledger: Ledger
    health: Health
    operator_pause: OperatorPause
    freshness: Freshness
    setup: SetupStore
    optouts: OptOuts
    emptying: Emptying
    consents: Consents
    happened: Happened
    presence: Presence
    activities: ActivityStore
    feed: FeedStore
    engagement: EngagementStore
    orders: Orders
    timeline: Timeline
    rules: tuple[Rule, ...]
    layout: Layout
    ghl_bucket: Bucket
    mailjet_bucket: Bucket
    mailjet_send_bucket: Bucket
    ghl_session: ApiSession
    mailjet_session: ApiSession
    mailjet_send_session: ApiSession
    meters: Meters
    webhooks: WebhookCaller

    def ghl(self, permit: Permit) -> GhlClient:
        """GHL's client for one piece of work."""
        session = self.ghl_session.under(permit)
        return GhlClient(session, self.connection.ghl_location_id)

    def mailjet(self, permit: Permit) -> MailjetClient:
        """Mailjet's client for one piece of work."""
        return MailjetClient(self.mailjet_session.under(permit))

    def memory(self, opened: Opened) -> LeasedMemory:
        read_only = self.settings.read_only
        return LeasedMemory(
            self.redis, self.ledger, self.feed, opened, read_only=read_only
        )

    @property
    def field_map(self) -> FieldMap:
        return FieldMap(
            location_id=self.connection.ghl_location_id,
            layout=self.layout,
            confirmation_tag=self.connection.confirmation_tag,
        )

    def policy(self, record: SetupRecord) -> Policy:
        """What the operator decided, under the key and list of the setup."""
        return policy_of(
            self.connection, self.settings, record, self.field_map, self.rules
        )

    def subscriber_pages(self, record: SetupRecord) -> SubscriberPages:
        policy = self.policy(record)
        return SubscriberPages(
            self.redis, self.connection.name, policy, is_new=self.ledger.is_new()
        )

    def record(self) -> SetupRecord | None:
        """The setup record, None before the first setup.

        Read anew for each piece of work: under the key of a state that was lost
        meanwhile nobody's opt-out would be found.
        """
        return self.setup.read()

    def require_record(self) -> SetupRecord:
        """The setup record.

        Raises:
            ConfigError: the connection is not set up.
        """
        record = self.record()
        if record is None:
            raise ConfigError(["not set up: run `ghl-mailjet setup` first"])
        return record


@dataclass(frozen=True)
class Pipeline:
    """The whole product, without the processes that run it."""

    settings: Settings
    redis: "Redis"
    processes: Processes
    inbox: Inbox
    kits: dict[str, Kit]

    def kit(self, connection: str) -> Kit:
        """One connection's kit.

        Raises:
            ConfigError: no connection has that name.
        """
        kit = self.kits.get(connection)
        if kit is None:
            known = ", ".join(self.kits)
            raise ConfigError([f"connection {connection!r}: unknown; there is {known}"])
        return kit


def build(
    settings: Settings,
    *,
    redis_retries: int = 3,
    redis_seconds: float = 5,
    meters: Meters = NO_METERS,
) -> Pipeline:
    """Make everything; connects to nothing yet.

    Args:
        redis_retries: how often a Redis command is repeated; all scripts bear that.
        redis_seconds: how long each try waits for an answer.
        meters: where this process counts what it does.
    """
    # A connection that its server closed is found closed by using it, once. Whoever
    # repeats nothing needs the pool, which looks first.
    client = StateClient if redis_retries else Redis
    redis = client.from_url(
        settings.state_redis_url,
        socket_timeout=redis_seconds,
        socket_connect_timeout=redis_seconds,
        health_check_interval=25,
        retry=Retry(ExponentialBackoff(cap=1, base=0.05), redis_retries),
    )
    http = connections()
    kits = {
        c.name: _kit(c, settings, redis, http, meters) for c in settings.connections
    }
    return Pipeline(settings, redis, Processes(redis), Inbox(redis), kits)


def _kit(
    connection: Connection,
    settings: Settings,
    redis: "Redis",
    http: requests.Session,
    meters: Meters,
) -> Kit:
    ledger = Ledger(redis, connection.name)
    vendors = reach(connection, settings, redis, ledger, http, meters)
    rules = rule_book.rules_of(connection)
    return Kit(
        connection=connection,
        settings=settings,
        redis=redis,
        ledger=ledger,
        health=Health(redis, connection.name),
        operator_pause=OperatorPause(redis, connection.name),
        freshness=Freshness(redis, connection.name),
        setup=SetupStore(redis, connection.name),
        optouts=OptOuts(redis, connection.name),
        emptying=Emptying(redis, connection.name),
        consents=Consents(redis, connection.name),
        happened=Happened(redis, connection.name),
        presence=Presence(redis, connection.name),
        activities=ActivityStore(redis, connection.name),
        feed=FeedStore(redis, connection.name),
        engagement=EngagementStore(redis, connection.name, rules),
        orders=Orders(redis, connection.name),
        timeline=Timeline(redis, connection.name),
        rules=rules,
        layout=mapping_book.layout_of(connection, rules),
        ghl_bucket=vendors.ghl_bucket,
        mailjet_bucket=vendors.mailjet_bucket,
        mailjet_send_bucket=vendors.mailjet_send_bucket,
        ghl_session=vendors.ghl_session,
        mailjet_session=vendors.mailjet_session,
        mailjet_send_session=vendors.mailjet_send_session,
        meters=meters,
        webhooks=WebhookCaller(connection.webhook_secret, http),
    )
