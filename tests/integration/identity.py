"""The README's table of identities: how a row becomes a test.

A row's function makes the situation, lets it be synced and gives back the outcome with
a check of what Mailjet holds. The check has to hold after a full run too, and the full
run after that must not write.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline import runs
from pipeline.permit import Lane
from tests.driver import Driver
from tests.sandbox import MailjetCaller, Row, fresh_email

OLD = "2026-01-01T00:00:00.000Z"
YOUNG = "2026-02-01T00:00:00.000Z"
SHARES = "shares an address with an older contact"

Check = Callable[[], None]


class World:
    """What a row of the table is told with.

    Args:
        lane: `bulk` looks as a full run does, with rows and remembered sides; `live`
            reads both sides.
        other_list: a Mailjet list that is not ours.
    """

    def __init__(
        self, driver: Driver, mailjet: MailjetCaller, lane: Lane, other_list: int
    ) -> None:
        self.driver = driver
        self.lane = lane
        self.other_list = other_list
        self._mailjet = mailjet

    def person(self, **fields: object) -> Row:
        return self.driver.person(**{"dateAdded": OLD, "dateUpdated": OLD, **fields})

    def edit(self, contact: Row, **fields: object) -> None:
        self.driver.sandbox.put_contact(id=contact["id"], **fields)

    def delete(self, contact: Row) -> None:
        self.driver.sandbox.delete_contact(contact["id"])

    def look(self, *contacts: Row) -> list[str]:
        """Sync these in this order, then whoever has to look again."""
        if self.lane is Lane.BULK:
            runs.start_run(self.driver.kit)
            self.driver.discover()
        outcomes = [self.driver.sync(one["id"], self.lane) for one in contacts]
        self.driver.work()
        return outcomes

    def subscriber(self, email: str, **fields: object) -> None:
        """Somebody in Mailjet, or what they or an operator changed there."""
        self.driver.sandbox.put_subscriber(email=email, **fields)

    def unsubscribe(self, email: str, list_id: object = None) -> None:
        place = {str(list_id or self.driver.list_id): {"unsubscribed": True}}
        self.subscriber(email, lists=place)

    def erase(self, email: str) -> None:
        """Delete for good, as an operator does in Mailjet."""
        mailjet_id = self.driver.subscriber(email)["id"]
        answer = self._mailjet.call("DELETE", f"/v4/contacts/{mailjet_id}")
        assert answer.status_code == 200

    def mailed(self, email: str, list_id: object = None) -> bool | None:
        """Whether our list mails the address; None when it is not on it."""
        return self.driver.on_list(email, str(list_id or self.driver.list_id))

    def value(self, email: str, name: str) -> object:
        return self.driver.subscriber(email)["properties"].get(name)

    def exists(self, email: str) -> bool:
        return self.driver.sandbox.subscriber(email) is not None

    def two(self, older: str, younger: str) -> tuple[Row, Row]:
        """Ana, the older, and Bo; both have been there for long."""
        ana = self.person(email=older)
        bo = self.person(
            email=younger, firstName="Bo", dateAdded=YOUNG, dateUpdated=YOUNG
        )
        return ana, bo

    def two_of_one(self) -> tuple[Row, Row, str]:
        email = fresh_email()
        return *self.two(email, email), email

    def name(self, email: str) -> object:
        return self.driver.subscriber(email)["name"]


def is_ana(world: World, email: str) -> Check:
    """Ana's values are at the address, and it is mailed."""

    def check() -> None:
        assert world.name(email) == "Ana Simões"
        assert world.mailed(email) is True

    return check


def is_bo(world: World, email: str) -> Check:
    def check() -> None:
        assert world.name(email) == "Bo Simões"
        assert world.mailed(email) is True

    return check


def is_out(world: World, *emails: str) -> Check:
    def check() -> None:
        for email in emails:
            assert world.mailed(email) is False
            assert world.value(email, "ghl_email_status") == "opted_out"

    return check


def all_of(*checks: Check) -> Check:
    def check() -> None:
        for one in checks:
            one()

    return check


def is_off(world: World, email: str) -> Check:
    def check() -> None:
        assert world.mailed(email) is None

    return check


def is_no(world: World, *emails: str) -> Check:
    def check() -> None:
        assert [world.mailed(email) for email in emails] == [False] * len(emails)

    return check


Situation = Callable[[World], tuple[str, Check]]


@dataclass(frozen=True)
class TableRow:
    outcome: str
    situation: Situation


@dataclass
class Table:
    """Rows by the words that the README has for them."""

    rows: dict[str, TableRow] = field(default_factory=dict)

    def row(self, name: str, outcome: str) -> Callable[[Situation], Situation]:
        def add(situation: Situation) -> Situation:
            assert name not in self.rows
            self.rows[name] = TableRow(outcome, situation)
            return situation

        return add


def come_to_rest(world: World, row: TableRow) -> None:
    """Play a row, and show that nothing moves any more."""
    outcome, check = row.situation(world)
    check()
    assert outcome == row.outcome
    world.driver.full_run()
    check()
    world.driver.sandbox.clear_log()
    world.driver.full_run()
    check()
    assert world.driver.writes() == []
