"""Which mails there must be after triggers, worked out from what was changed alone.

When somebody's no counts: one that a webhook told, from when the inbox had been
emptied after its 200; one that nobody told, at once. A mail whose last look had begun
by then may still arrive.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf

from tests.sandbox import Row
from tests.sandbox_sending import double_sends, sends_to_closed
from tests.system.installation import Installation

CAMPAIGNS = {"welcome": 1001, "vip": 1002, "porto": 1003, "receipt": 1004}
"""Campaign, which is called as its rule, to its template."""
TRANSACTIONAL = frozenset({"receipt"})
RULES = (
    '{ name = "welcome", on = "created", do = { send = 1001, '
    'variables = { name = "contact.firstName" } } }',
    '{ name = "vip", on = "tagged", when = "change.tag == \'vip\'", '
    "do = { send = 1002 } }",
    '{ name = "porto", on = "updated", when = "contact.city == \'Porto\'", '
    "do = { send = 1003 } }",
    '{ name = "receipt", on = "tagged", when = "change.tag == \'paid\'", '
    "do = { send = 1004, transactional = true } }",
)
WHYS = frozenset({"opted out", "off our list"})
USUAL = frozenset({"campaign", "kind", "done", "held_back"})
REQUEST_SECONDS = 2.0
"""From a last look's first call to the mail's arrival at Mailjet, on a busy machine."""


@dataclass
class Person:
    """Somebody, what was changed about them, and when they said no.

    Args:
        fired: campaigns whose change was made.
        no: `ghl` or `mailjet`; "" for who never said it.
        told: whether a webhook told it.
        counts_from: monotonic seconds.
    """

    email: str
    id: str = ""
    fired: set[str] = field(default_factory=set)
    no: str = ""
    told: bool = False
    counts_from: float = inf


@dataclass
class Found:
    """What the sandbox counted.

    Args:
        wrong: one line each; empty when all is well.
        closed: mails that may have gone, to whom Mailjet knew by then to have said no.
        late: seconds from when a no counted to a mail that may still arrive.
    """

    mails: int = 0
    held: int = 0
    closed: int = 0
    late: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def look(running: Installation, people: Iterable[Person]) -> Found:
    """Everything that was sent, against what was changed."""
    rows = [each for each in running.sandbox.messages() if each["said"]]
    mails = [each for each in rows if each["status"] != "blocked"]
    by_email = {person.email: person for person in people}
    found = Found(mails=len(mails))
    if doubles := double_sends(rows):
        found.wrong.append(f"{doubles} mails beyond the first of their CustomID")
    if blocked := len(rows) - len(mails):
        found.wrong.append(f"{blocked} were sent again, and blocked by Mailjet")
    times = Counter((each["email"], each["campaign"]) for each in mails)
    for email, campaign in times:
        person = by_email.get(email)
        if person is None or campaign not in person.fired:
            found.wrong.append(f"{campaign} was sent, and nothing had happened")
    for person in by_email.values():
        found.wrong += [f"{person.id}: {each}" for each in _of_person(person, times)]
    closed = sends_to_closed(mails)
    found.closed = sum(each["campaign"] not in TRANSACTIONAL for each in closed)
    for mail in mails:
        _judge(mail, by_email, found)
    _count(running, by_email.values(), times, found)
    return found


def _of_person(person: Person, times: Mapping[tuple[str, str], int]) -> Iterator[str]:
    for campaign in sorted(person.fired):
        count = times.get((person.email, campaign), 0)
        may_miss = person.no and campaign not in TRANSACTIONAL
        if count > 1:
            yield f"{campaign} was sent {count} times"
        elif not count and not may_miss:
            yield f"{campaign} was not sent"


def _judge(mail: Row, by_email: Mapping[str, Person], found: Found) -> None:
    """Whether it went to somebody who had said no."""
    person = by_email.get(mail["email"])
    if person is None or mail["campaign"] in TRANSACTIONAL:
        return
    late = mail["made"] - person.counts_from
    if late > REQUEST_SECONDS:
        how = "told" if person.told else "untold"
        whose = f"{person.id}, {how} in {person.no}"
        found.wrong.append(f"{mail['campaign']} {late:.1f} s after the no of {whose}")
    elif late > 0:
        found.late.append(late)


def _count(
    running: Installation,
    people: Iterable[Person],
    times: Mapping[tuple[str, str], int],
    found: Found,
) -> None:
    """What our own counts say, against the sandbox's."""
    wanted = Counter(campaign for person in people for campaign in person.fired)
    sent: Counter[str] = Counter()
    for (_, campaign), count in times.items():
        sent[campaign] += count
    done: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for told in json.loads(running.processes.command("campaigns", "--json").stdout):
        campaign, whys = told["campaign"], told["held_back"]
        done[campaign] = told["done"]
        held[campaign] = sum(whys.values())
        others = {k: n for k, n in told.items() if n and k not in USUAL}
        if others or whys.keys() - WHYS:
            found.wrong.append(f"of {campaign} {others} and {whys}")
    found.held = held.total()
    if done != sent:
        found.wrong.append(f"counted as sent {dict(done)}, by Mailjet {dict(sent)}")
    if done + held != wanted:
        told = f"{dict(done)} sent and {dict(held)} held back"
        found.wrong.append(f"{dict(wanted)} happened, {told}")
