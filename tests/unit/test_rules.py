"""Which events a rule wants, and the words it leaves in GHL."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rule_book import rule_of
from pipeline.settings.rules import KINDS, SHIPPED, RulesField
from pipeline.sync.activity import Task
from pipeline.sync.aggregates import TITLE_LENGTH
from pipeline.sync.campaigns import Mark, campaign_of, campaigns, marks
from pipeline.sync.deeds import KeepSummary
from pipeline.sync.mail_event import EventKind, MailEvent
from pipeline.sync.rules import Rule, counts, wanted, wants
from pipeline.sync.triggers import of_event
from pipeline.sync.wishes import references
from tests.builders import make_event, make_rule
from tests.tiny_vendors import NOW_MS

LISBON, TOKYO = ZoneInfo("Europe/Lisbon"), ZoneInfo("Asia/Tokyo")
KINDS_OF_NOTES = (EventKind.SENT, EventKind.OPEN, EventKind.CLICK)
EVENTS = st.builds(
    make_event,
    kind=st.sampled_from(EventKind),
    at_ms=st.integers(0, 5).map(lambda seconds: NOW_MS + seconds * 1000),
    message_id=st.integers(0, 3),
    campaign_id=st.integers(0, 2),
    campaign=st.sampled_from(["", "Spring", "spring 2"]),
    url=st.sampled_from(["", "https://a", "https://b"]),
)


def shipped(name: str) -> Rule:
    (facts,) = RulesField().deserialize([name])
    return rule_of(facts)


def folded(events: list[MailEvent]) -> Mapping[Mark, int]:
    """What the store does, event by event."""
    found: dict[Mark, int] = {}
    for event in events:
        for mark, at_ms in marks(event).items():
            found[mark] = max(at_ms, found.get(mark, 0))
    return found


def test_the_kinds_that_can_be_written_are_mailjets() -> None:
    assert set(KINDS) == set(EventKind)


@pytest.mark.parametrize("name", SHIPPED)
def test_no_shipped_rule_acts_on_a_no(name: str) -> None:
    rule = shipped(name)

    assert not rule.on & {EventKind.UNSUB, EventKind.SPAM}
    assert rule.name == name


@pytest.mark.parametrize(
    ("name", "facts", "is_wanted"),
    [
        ("tag-openers", {"kind": EventKind.OPEN}, True),
        ("tag-openers", {"kind": EventKind.CLICK}, False),
        ("task-on-click", {"url": ""}, True),
        ("task-on-pricing-click", {"url": "https://x/PRICING?a=1"}, True),
        ("task-on-pricing-click", {"url": "https://x/about"}, False),
        ("campaign-notes", {"kind": EventKind.OPEN}, True),
        ("campaign-notes", {"kind": EventKind.SENT}, False),
    ],
)
def test_a_rule_wants_what_its_words_say(
    name: str, facts: Mapping[str, Any], is_wanted: bool
) -> None:
    assert wants([shipped(name)], make_event(**facts)) is is_wanted


def test_what_only_a_note_tells_of_is_kept_and_calls_for_nothing() -> None:
    rules = [shipped("campaign-notes")]
    sent = make_event(kind=EventKind.SENT)

    assert wanted(rules, sent)
    assert counts(rules, sent)
    assert not wants(rules, sent)
    assert not wanted([shipped("tag-openers")], sent)
    assert not wanted(rules, make_event(kind=EventKind.UNSUB))
    assert not wanted((), make_event())


@pytest.mark.parametrize(
    ("pattern", "is_wanted"),
    [("*", True), ("spring*", True), ("Spring sale", True), ("71", True), ("7", False)],
)
def test_a_campaign_is_named_by_pattern_or_number(
    pattern: str, is_wanted: bool
) -> None:
    rule = make_rule(KeepSummary(), campaign=pattern)
    event = make_event(campaign="Spring Sale", campaign_id=71)

    assert rule.wants(event) is is_wanted
    assert rule.counts(event) is is_wanted


def test_a_title_is_filled_in_and_fits() -> None:
    rule, text = make_rule(), "{when}: {campaign}, {url}"
    event = make_event(at_ms=NOW_MS, campaign="{x}", url="https://x/{y}\n" + "z" * 400)

    title = rule.title(text, of_event(event), LISBON)

    assert title.startswith("2026-11-23 16:00: {x}, https://x/{y} zzz")
    assert len(title) <= TITLE_LENGTH
    assert rule.title(text, of_event(event), TOKYO).startswith("2026-11-24 01:00")
    assert rule.title("{url}", of_event(make_event(url="")), LISBON) == "calls"


@given(event=EVENTS, wrapped=st.sampled_from(["{}", "<p>{}</p>", "a\n{}\nb"]))
def test_a_task_is_known_by_rule_and_event(event: MailEvent, wrapped: str) -> None:
    body = wrapped.format(make_rule().body(of_event(event), LISBON))
    entities = body.replace("[", "&#91;")
    for written in (body, entities):
        task = Task("t", "", written, "", None, False, "c")
        assert make_rule().changes_of(task) == {of_event(event).digest}
        assert make_rule(name="other").changes_of(task) == set()
        assert references([written]) == set()


@given(data=st.data(), events=st.lists(EVENTS, max_size=8))
def test_order_and_repetition_change_nothing_of_what_a_note_tells(
    data: st.DataObject, events: list[MailEvent]
) -> None:
    again = data.draw(st.lists(st.sampled_from(events))) if events else []
    mixed = data.draw(st.permutations([*events, *again]))

    assert campaigns(folded(mixed)) == campaigns(folded(events))


@given(event=EVENTS, wrapped=st.sampled_from(["{}", "<p>{}</p>"]))
def test_a_note_is_known_by_its_campaign(event: MailEvent, wrapped: str) -> None:
    for campaign in campaigns(marks(event)).values():
        body = wrapped.format(campaign.text(LISBON))
        assert campaign_of(body) == campaign_of(body.replace("[", "&#91;"))
        assert campaign_of(body) == event.campaign_id
        assert references([body]) == set()
    assert campaign_of("Called. [mj:12345]") is None


def test_a_note_tells_what_was_sent_opened_and_clicked() -> None:
    day = 86_400_000
    events = [
        *(make_event(kind=EventKind.SENT, message_id=i) for i in (1, 2, 3, 4)),
        make_event(kind=EventKind.OPEN, message_id=1),
        make_event(kind=EventKind.OPEN, message_id=1, at_ms=NOW_MS + 1000),
        make_event(message_id=2, url="https://a"),
        make_event(message_id=2, url="https://b", at_ms=NOW_MS + day),
        make_event(message_id=3, url="https://a", at_ms=NOW_MS + 2 * day),
    ]
    (campaign,) = campaigns(folded(events)).values()

    assert campaign.text(LISBON) == (
        "Mailjet campaign Spring: opened 3 of 4, clicked https://a, https://b "
        "(last: 2026-11-25)\n\n[mj:campaign:7]"
    )


def test_a_note_without_a_name_or_a_click_tells_the_number() -> None:
    event = make_event(kind=EventKind.OPEN, campaign="", message_id=0)
    (campaign,) = campaigns(marks(event)).values()

    assert campaign.text(LISBON).startswith("Mailjet campaign 7: opened 1 of 1 (last")


def test_of_very_many_links_the_newest_are_told() -> None:
    events = [
        make_event(url=f"https://x/{i}?{'a' * 1000}", at_ms=NOW_MS + i * 1000)
        for i in range(60)
    ]
    (campaign,) = campaigns(folded(events)).values()

    text = campaign.text(LISBON)
    assert "clicked https://x/59?a" in text
    assert " and 50 more (last" in text
    assert len(text) < 6000
