"""Two worlds for the same histories: tiny vendors, and the real sandbox.

What a rule of `test_consent_histories.py` does to a vendor, or lets us do, is a method
here; addresses and lists are told by number.
"""

import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Protocol

from redis import Redis

from pipeline import consent_report, opting_in
from pipeline.bootstrap import Kit
from pipeline.errors import ConfigError
from pipeline.feedback import Feedback
from pipeline.polls import Polls
from pipeline.sync.mail_event import EventKind, MailEvent
from tests.builders import MAIN_LIST, VIP_LIST, told
from tests.consent_oracle import Flag
from tests.driver import Driver
from tests.integration.feedback_pipeline import FeedbackPipeline
from tests.sandbox import Row, fresh_email

SOFT_BOUNCES = 2
FOREIGN_LIST = 77
ADDRESSES = 3
FULL = {"phone": "1", "companyName": "c", "state": "s", "country": "PT"}
FULL |= {"postalCode": "4", "timezone": "UTC", "source": "w", "assignedTo": "u"}
FULL |= {"firstName": "Ann", "lastName": "Lee", "city": "Rome"}
BOUNCE = "mailjet-bounced"
FORCED = re.compile(r"/contact/(\d+)/managecontactslists|/managecontact$")


class World(Protocol):
    """Both vendors and us."""

    emails: Sequence[str]
    lists: Sequence[int]
    kit: Kit

    # What people do.
    def now(self) -> int: ...
    def create(self, email: str, *, vip: bool) -> str: ...
    def edit(self, contact: str, **fields: object) -> None: ...
    def delete(self, contact: str) -> None: ...
    def leave(self, email: str, list_id: int) -> None: ...
    def join(self, email: str, list_id: int) -> None: ...
    def exclude(self, email: str, *, excluded: bool) -> None: ...
    def erase(self, email: str) -> None: ...
    def happen(self, kind: EventKind, email: str, **facts: object) -> MailEvent: ...

    # What we do.
    def poll(self) -> None: ...
    def work(self) -> None: ...
    def full_run(self) -> None: ...
    def read_optouts(self) -> None: ...
    def forget(self) -> None: ...

    # What is to be seen.
    def contacts(self) -> dict[str, Row]: ...
    def people(self) -> dict[str, Row]: ...
    def writes(self) -> int: ...
    def forced(self) -> list[str]: ...


def feedback(world: World) -> Feedback:
    record = world.kit.record()
    assert record is not None
    return Feedback(world.kit, record)


def report(world: World) -> consent_report.Report:
    record = world.kit.record()
    assert record is not None
    return consent_report.compare(world.kit, record)


def opt_in(world: World, contact: str, at_ms: int) -> bool:
    """Whether it was recorded."""
    try:
        opting_in.record_opt_in(world.kit, contact, "form 1234", at_ms)
    except ConfigError:
        return False
    return True


def shown(world: World) -> set[Flag]:
    """Every no that a vendor shows; what we wrote for a bounce is none."""
    flags: set[Flag] = set()
    for contact, row in world.contacts().items():
        if row["dnd"]:
            flags.add((contact, "all"))
        if row["status"] != "inactive" and row["code"] != BOUNCE:
            flags.add((contact, f"{row['status']} {row['code']}"))
    for email, row in world.people().items():
        gone = [list_id for list_id, is_gone in row["lists"].items() if is_gone]
        flags |= {(email, f"list {list_id}") for list_id in gone}
        if row["excluded"]:
            flags.add((email, "excluded"))
        if row["complained"]:
            flags.add((email, "complained"))
    return flags


def has_address(world: World, email: str) -> Callable[[str], bool]:
    """Whether we have found that a contact has this address."""
    record = world.kit.record()
    assert record is not None
    address = world.kit.policy(record).fingerprint.address(email)
    return lambda contact: world.kit.presence.address(contact) == address


def blocks(row: Row) -> bool:
    """Whether GHL sends the contact no e-mail."""
    return bool(row["dnd"]) or row["status"] != "inactive"


def mailable(world: World, email: str) -> bool:
    """Whether a campaign to a list that we manage would reach the address."""
    row = world.people().get(email)
    ours = world.lists[:2]
    on_list = row and any(row["lists"].get(list_id) is False for list_id in ours)
    return bool(on_list and not row["excluded"])


def holders(world: World) -> dict[str, list[str]]:
    """Contacts by their address."""
    found: dict[str, list[str]] = defaultdict(list)
    for contact, row in world.contacts().items():
        if row["email"]:
            found[row["email"]].append(contact)
    return found


class TinyWorld(FeedbackPipeline):
    emails = tuple(f"person{number}@example.com" for number in range(ADDRESSES))
    lists = (MAIN_LIST, VIP_LIST, FOREIGN_LIST)

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis, SYNC_SOFT_BOUNCES=str(SOFT_BOUNCES))
        self._numbers = count(1)

    def now(self) -> int:
        self.tick()
        return self.now_ms

    def create(self, email: str, *, vip: bool) -> str:
        contact = f"c{next(self._numbers)}"
        self.ghl.contacts[contact] = told(
            FULL,
            tags=["vip"] if vip else [],
            id=contact,
            date_added_ms=self.now_ms,
            date_updated_ms=self.now_ms,
            dnd=False,
            dnd_settings={},
        )
        self.edit(contact, email=email)
        return contact

    def edit(self, contact: str, **fields: object) -> None:
        """Raw fields, as GHL names them."""
        names = {"dndSettings": "dnd_settings"}
        told_ = {names.get(name, name): value for name, value in fields.items()}
        if "email" in told_:
            told_["email_valid"] = bool(told_["email"])
        self.ghl.edit(contact, **told_)

    def delete(self, contact: str) -> None:
        del self.ghl.contacts[contact]

    def leave(self, email: str, list_id: int) -> None:
        self.mailjet.leave(email, list_id)

    def join(self, email: str, list_id: int) -> None:
        self.mailjet.join(email, list_id)

    def exclude(self, email: str, *, excluded: bool) -> None:
        self.mailjet.exclude(email, excluded=excluded)

    def erase(self, email: str) -> None:
        self.mailjet.erase(email)

    def happen(self, kind: EventKind, email: str, **facts: object) -> MailEvent:
        person = self.mailjet.somebody(email)
        event = MailEvent(
            kind,
            self.mailjet.second_ms,
            email,
            person.id,
            next(self._numbers),
            **facts,
        )
        self.mailjet.happened.append(event)
        if kind is EventKind.SPAM:
            self.mailjet.complain(email)
        if event.list_id:
            self.mailjet.leave(email, event.list_id)
        return event

    def poll(self) -> None:
        Polls(self.kit, self.record).read()
        self.work()

    def contacts(self) -> dict[str, Row]:
        return {
            contact.id: _row(contact.email, contact.dnd, contact.dnd_settings)
            for contact in self.ghl.contacts.values()
        }

    def people(self) -> dict[str, Row]:
        found = (self.mailjet.read(p.email) for p in self.mailjet.people.values())
        return {
            one.email: {
                "lists": dict(one.unsubscribed or {}),
                "excluded": one.excluded,
                "complained": one.complained,
            }
            for one in found
        }

    def writes(self) -> int:
        return self.mailjet.writes + self.ghl.writes

    def forced(self) -> list[str]:
        found = [*self.mailjet.forced]
        self.mailjet.forced.clear()
        return found


class SandboxWorld:
    """The sandbox, driven by hand.

    Args:
        lists: ours, that of the tag `vip`, and one that is not ours.
    """

    def __init__(self, driver: Driver, lists: Sequence[int]) -> None:
        self.driver = driver
        self.kit = driver.kit
        self.lists = lists
        self.emails = tuple(fresh_email() for _ in range(ADDRESSES))
        self._complained: set[str] = set()
        for contact in driver.sandbox.contacts():
            driver.sandbox.delete_contact(contact["id"])
        for row in driver.sandbox.subscribers():
            if not row["email"].endswith("@domain.invalid"):
                driver.sandbox.delete_subscriber(row["id"])
        driver.sandbox.settings(keep_exchanges=True)
        self.forget()
        self._writes, self._forced = 0, list[str]()

    def now(self) -> int:
        return round(time.time() * 1000)

    def create(self, email: str, *, vip: bool) -> str:
        tags = ["vip"] if vip else []
        return str(self.driver.person(email=email, tags=tags)["id"])

    def edit(self, contact: str, **fields: object) -> None:
        self.driver.sandbox.put_contact(id=contact, **fields)

    def delete(self, contact: str) -> None:
        self.driver.sandbox.delete_contact(contact)

    def leave(self, email: str, list_id: int) -> None:
        self._place(email, list_id, is_gone=True)

    def join(self, email: str, list_id: int) -> None:
        self._place(email, list_id, is_gone=False)

    def _place(self, email: str, list_id: int, *, is_gone: bool) -> None:
        place = {str(list_id): {"unsubscribed": is_gone}}
        self.driver.sandbox.put_subscriber(email=email, lists=place)

    def exclude(self, email: str, *, excluded: bool) -> None:
        self.driver.sandbox.put_subscriber(email=email, excluded=excluded)

    def erase(self, email: str) -> None:
        self.driver.sandbox.delete_subscriber(self.driver.subscriber(email)["id"])
        self._complained.discard(email)

    def happen(self, kind: EventKind, email: str, **facts: object) -> MailEvent:
        hard = bool(facts.get("hard"))
        told_ = {k: v for k, v in facts.items() if k in ("list_id", "message_id")}
        row = self.driver.sandbox.mail_event(
            kind, email, deliver=False, hard_bounce=hard, **told_
        )
        if kind is EventKind.SPAM:
            self._complained.add(email)
        return MailEvent(
            kind,
            row["time"] * 1000,
            row["email"],
            row["mj_contact_id"],
            row["MessageID"],
            list_id=row.get("mj_list_id", 0),
            hard=hard,
        )

    def poll(self) -> None:
        record = self.kit.record()
        assert record is not None
        Polls(self.kit, record).read()
        self.work()

    def work(self) -> None:
        for _ in range(100):
            self.driver.work()
            backlog = self.driver.ledger.backlog()
            if not backlog.waiting + backlog.leased:
                return
            self.driver.make_due()
        raise AssertionError("it never came to rest")

    def full_run(self) -> None:
        self.work()
        self.driver.full_run()
        self.work()

    def read_optouts(self) -> None:
        self.driver.discovery.preferences.read_optouts()
        self.driver.discovery.preferences.read_mailjet_optouts()

    def forget(self) -> None:
        redis = self.driver.pipeline.redis
        if keys := list(redis.scan_iter("gm:default:*", count=1000)):
            redis.delete(*keys)
        self.driver.setup()

    def contacts(self) -> dict[str, Row]:
        return {
            row["id"]: _row(row.get("email"), row.get("dnd"), row.get("dndSettings"))
            for row in self.driver.sandbox.contacts()
        }

    def people(self) -> dict[str, Row]:
        return {
            row["email"]: {
                "lists": {int(i): p["unsubscribed"] for i, p in row["lists"].items()},
                "excluded": row["excluded"],
                "complained": row["email"] in self._complained,
            }
            for row in self.driver.sandbox.subscribers()
            if row["email"] in self.emails
        }

    def writes(self) -> int:
        self._look()
        return self._writes

    def forced(self) -> list[str]:
        self._look()
        found, self._forced = self._forced, []
        return found

    def _look(self) -> None:
        """At what we sent; `setup`, which makes properties, writes to no person."""
        ids: dict[str, str] = {}
        for call in self.driver.sandbox.exchanges():
            route = call["route"]
            is_read = call["method"] == "GET" or route.endswith("/search")
            self._writes += not (is_read or "metadata" in route)
            if "addforce" in call["request"]:
                ids = ids or self._emails_by_id()
                self._forced += _forced(call, ids)

    def _emails_by_id(self) -> dict[str, str]:
        return {str(r["id"]): r["email"] for r in self.driver.sandbox.subscribers()}


def _forced(call: Row, emails: dict[str, str]) -> Iterator[str]:
    """Whom an `addforce` was sent for."""
    found = FORCED.search(call["path"])
    assert found, "an addforce in another way"
    if found[1]:
        yield emails[found[1]]
    else:
        yield json.loads(call["request"])["Email"]


def _row(email: object, dnd: object, settings: object) -> Row:
    channel = settings.get("Email") if isinstance(settings, dict) else None
    channel = channel or {}
    status, code = channel.get("status") or "inactive", channel.get("code") or ""
    return {"email": email or "", "dnd": dnd, "status": status, "code": code}
