"""The laws of consent, each as a property; see issue 5 and `tests.consent_world`.

`make laws` runs a million histories (`CONSENT_LAWS` says how many).
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.sync import consent
from pipeline.sync.actions import Action, Include, Resubscribe
from pipeline.sync.blocking import Unblock
from pipeline.sync.comparing import after
from pipeline.sync.consent import (
    NOTHING,
    STRICTNESS,
    Record,
    Source,
    Statement,
    Verdict,
    absorbed,
    decide,
    joined,
    observed,
    opted_in,
    unanswered,
)
from pipeline.sync.contact import Subscriber
from tests.builders import MAIN_LIST, VIP_LIST, make_sides
from tests.consent_world import FOREIGN_LIST, LIVE, POLICY, THIN, WHOLE, World

HISTORIES = int(os.environ.get("CONSENT_LAWS", "2000"))
PART = 5_000
"""Hypothesis keeps in mind what it has tried: a million at once would not fit."""
PARTS = [min(PART, HISTORIES - done) for done in range(0, HISTORIES, PART)]
RESUBSCRIBE = Resubscribe((MAIN_LIST,))
TIMES = st.integers(0, 6)
NOES = tuple(source for source in Source if source is not Source.OPT_IN)
WORDS = st.sampled_from(["", "10", "77", "10 77", "active", "mailjet-unsubscribed"])


def statements(sources: tuple[Source, ...]) -> st.SearchStrategy[Statement]:
    return st.builds(
        Statement,
        source=st.sampled_from(sources),
        at_ms=TIMES,
        detail=WORDS,
        stands=st.booleans(),
    )


def records(*sources: Source) -> st.SearchStrategy[Record]:
    some = st.lists(statements(sources or tuple(Source)), max_size=5)
    return some.map(lambda many: joined(*({said.source: said} for said in many)))


def newest_no(record: Record) -> int:
    """In plain words, apart from the code: -1 where nobody said no."""
    return max((s.at_ms for s in record.values() if s.source in NOES), default=-1)


laws = settings(max_examples=500, deadline=None)


@given(record=records())
@laws
def test_an_opt_out_wins_unless_an_opt_in_is_newer(record: Record) -> None:
    yes = record.get(Source.OPT_IN)

    verdict = decide(record)

    no_ms = newest_no(record)
    assert verdict.is_open is (no_ms < 0 or (yes is not None and yes.at_ms > no_ms))


@given(record=records(*NOES), source=st.sampled_from(NOES), at_ms=st.none() | TIMES)
@laws
def test_a_flag_that_was_cleared_is_nobodys_consent(
    record: Record, source: Source, at_ms: int | None
) -> None:
    after = observed(record, source, says_no=False, now_ms=9, at_ms=at_ms)

    assert decide(after) is decide(record)
    assert newest_no(after) == newest_no(record)


@given(record=records(), at_ms=TIMES)
@laws
def test_an_opt_in_that_is_not_newer_opens_nothing(record: Record, at_ms: int) -> None:
    after = opted_in(record, at_ms, "form 12")

    if at_ms <= newest_no(record):
        assert decide(after).is_open is decide(record).is_open
    assert after[Source.OPT_IN].at_ms >= at_ms


@given(record=records(), source=st.sampled_from(NOES), at_ms=st.none() | TIMES)
@laws
def test_looking_at_a_no_never_opens_and_a_new_one_closes(
    record: Record, source: Source, at_ms: int | None
) -> None:
    after = observed(record, source, says_no=True, now_ms=9, at_ms=at_ms, detail="10")

    known = record.get(source)
    assert STRICTNESS.index(decide(after)) >= STRICTNESS.index(decide(record))
    if known is None or not known.stands:
        assert after[source].stands
        assert after[source].at_ms >= (9 if at_ms is None else at_ms)
        if at_ms is None:
            assert not decide(after).is_open


@given(record=records(*NOES), source=st.sampled_from(NOES), turns=st.integers(1, 3))
@laws
def test_looking_again_at_what_stands_says_nothing_new(
    record: Record, source: Source, turns: int
) -> None:
    first = observed(record, source, says_no=True, now_ms=7, detail="10")
    after = first

    for now_ms in range(8, 8 + turns):
        after = observed(after, source, says_no=True, now_ms=now_ms, detail="10")

    assert after is first


@given(words=st.sets(st.sampled_from("abc")), then=st.sets(st.sampled_from("abc")))
@laws
def test_what_was_taken_back_and_comes_again_is_new(
    words: set[str], then: set[str]
) -> None:
    """Word by word: of two lists that were left, one may be left a second time."""
    record: Record = NOTHING
    for now_ms, told in enumerate([{"a", "b", "c"}, words, words | then]):
        record = observed(
            record,
            Source.MAILJET_LIST,
            says_no=bool(told),
            now_ms=now_ms,
            detail=" ".join(sorted(told)),
        )

    assert record[Source.MAILJET_LIST].at_ms == (2 if then - words else 0)


@given(parts=st.lists(records(), max_size=4), data=st.data())
@laws
def test_neither_order_nor_repetition_of_what_is_joined_matters(
    parts: list[Record], data: st.DataObject
) -> None:
    again = data.draw(st.permutations([*parts, *parts]))

    assert joined(*again) == joined(*parts)


@given(own=records(), parts=st.lists(records(), max_size=4), data=st.data())
@laws
def test_neither_order_nor_repetition_of_what_is_told_matters(
    own: Record, parts: list[Record], data: st.DataObject
) -> None:
    again = data.draw(st.permutations([*parts, *parts]))
    first, second = own, own

    for told in parts:
        first = absorbed(first, told)
    for told in again:
        second = absorbed(second, told)

    assert decide(first) is decide(second)
    assert {s: said.at_ms for s, said in unanswered(first).items()} == {
        s: said.at_ms for s, said in unanswered(second).items()
    }


def test_what_is_told_of_one_list_is_no_news_of_another() -> None:
    source = Source.MAILJET_LIST
    own = {source: Statement(source, 1, "77")}

    heard = absorbed(own, {source: Statement(source, 3, "10")})
    seen = observed(heard, source, says_no=True, now_ms=9, detail="10 77")

    assert seen[source].at_ms == 3


@given(own=records(), told=records(*NOES))
@laws
def test_a_no_that_is_told_never_opens(own: Record, told: Record) -> None:
    after = absorbed(own, told)

    assert STRICTNESS.index(decide(after)) >= STRICTNESS.index(decide(own))
    assert newest_no(after) >= newest_no(own)
    yes = own.get(Source.OPT_IN)
    if yes is None or newest_no(told) >= yes.at_ms:
        assert newest_no(after) == max(newest_no(own), newest_no(told))


@given(
    noes=records(*NOES).filter(bool),
    state=st.dictionaries(st.sampled_from([MAIN_LIST, VIP_LIST, 77]), st.booleans()),
    actions=st.sets(st.sampled_from([Include(), Unblock("why"), RESUBSCRIBE])),
)
@laws
def test_what_we_took_back_ourselves_is_new_when_it_comes_again(
    noes: Record, state: dict[int, bool], actions: set[Action]
) -> None:
    record = opted_in(noes, 8, "form 12")
    there = Subscriber(1, unsubscribed=state)

    now = after(record, actions, make_sides(subscriber=there, reopens=True))

    assert consent.is_reopened(now)
    assert newest_no(now) == newest_no(record)
    again = RESUBSCRIBE.list_ids if RESUBSCRIBE in actions else ()
    left = {str(i) for i, is_gone in state.items() if is_gone and i not in again}
    for source, words, taken in (
        (Source.GHL_EMAIL, "", Unblock("why") in actions),
        (Source.MAILJET_EXCLUDED, "", Include() in actions),
        (Source.MAILJET_LIST, str(MAIN_LIST), str(MAIN_LIST) not in left),
    ):
        later = observed(now, source, says_no=True, now_ms=9, detail=words)
        assert not (taken and decide(later).is_open)
    words = " ".join(sorted(left))
    look = observed(
        now, Source.MAILJET_LIST, says_no=bool(left), now_ms=9, detail=words
    )
    assert decide(look).is_open, "what was left as it is was answered too"


@given(verdicts=st.lists(st.sampled_from(Verdict)), data=st.data())
@laws
def test_the_strictest_of_several_answers_counts_in_any_order(
    verdicts: list[Verdict], data: st.DataObject
) -> None:
    verdict = consent.strictest(data.draw(st.permutations(verdicts)))

    assert all(STRICTNESS.index(verdict) >= STRICTNESS.index(v) for v in verdicts)
    assert verdict in (verdicts or [Verdict.SUBSCRIBED])


SYNCS = [("sync", LIVE)] * 6 + [("sync", WHOLE), ("sync", THIN)]
STEPS = [
    *SYNCS,
    *[("all_dnd", on) for on in (0, 1)],
    *[("email_dnd", status) for status in (0, 1, 1, 2)],
    *[("unsubscribe", i) for i in (MAIN_LIST, VIP_LIST, FOREIGN_LIST)],
    *[("resubscribe", i) for i in (MAIN_LIST, FOREIGN_LIST)],
    *[("exclude", on) for on in (0, 1)],
    *[("complain", 0), ("move", 0), ("read_sets", 0), ("lose_state", 0)],
    *[("bounce", is_hard) for is_hard in (0, 0, 1)],
    *[("arrive", 0), ("hear", 0), ("hear", 1), ("hear", 3)],
    *[("opt_in", steps_ago) for steps_ago in (0, 0, 0, 2, 9)],
]
HISTORY = st.lists(st.sampled_from(STEPS), min_size=1, max_size=16)
LOST: dict[str, list[tuple[str, int]]] = {
    "left a list again after an opt-in, and nobody looked in between": [
        *[("unsubscribe", MAIN_LIST), ("sync", LIVE), ("opt_in", 0), ("sync", LIVE)],
        ("unsubscribe", MAIN_LIST),
    ],
    "DND was set again after an opt-in, and nobody looked in between": [
        *[("email_dnd", 1), ("sync", LIVE), ("opt_in", 0), ("sync", LIVE)],
        ("email_dnd", 1),
    ],
    "of two lists one was left a second time": [
        *[("unsubscribe", FOREIGN_LIST), ("unsubscribe", VIP_LIST), ("sync", LIVE)],
        *[("opt_in", 0), ("sync", LIVE), ("resubscribe", FOREIGN_LIST)],
        *[("sync", LIVE), ("unsubscribe", FOREIGN_LIST)],
    ],
    "an opt-in answered what we wrote ourselves": [
        *[("unsubscribe", FOREIGN_LIST), ("sync", LIVE), ("opt_in", 0)],
        *[("sync", LIVE), ("sync", LIVE)],
    ],
    "an opt-in answered a no of GHL, and our other lists stay left": [
        *[("email_dnd", 1), ("sync", LIVE), ("opt_in", 0), ("sync", LIVE)],
        *[("sync", LIVE), ("sync", LIVE)],
    ],
    "an opt-in, and the address changed before we looked": [
        *[("all_dnd", 1), ("sync", LIVE), ("opt_in", 0), ("move", 0)],
    ],
    "another address had been left long before": [
        *[("unsubscribe", MAIN_LIST), ("move", 0), ("unsubscribe", MAIN_LIST)],
        *[("sync", LIVE), ("opt_in", 0), ("move", 0)],
    ],
    "somebody excluded a person before we did it for a bounce": [
        *[("sync", LIVE), ("bounce", 0), ("bounce", 0), ("exclude", 1)],
        *[("sync", LIVE), ("arrive", 0)],
    ],
    "somebody excluded a person after an opt-in, where we had done it before": [
        *[("all_dnd", 1), ("sync", LIVE), ("opt_in", 0), ("exclude", 0)],
        ("exclude", 1),
    ],
    "back at an address that bounced": [
        *[("bounce", 1), ("sync", LIVE), ("move", 0), ("sync", LIVE), ("move", 0)],
    ],
    "a bounce of the old address, and a no to everything at the new one": [
        *[("bounce", 1), ("sync", LIVE), ("move", 0), ("all_dnd", 1), ("sync", LIVE)],
        *[("opt_in", 0), ("sync", LIVE)],
    ],
    "another address that bounced had been excluded by hand": [
        *[("sync", LIVE), ("move", 0), ("bounce", 1), ("exclude", 1)],
    ],
    "told late of a list that we subscribed again since, and it was left anew": [
        *[("email_dnd", 1), ("sync", LIVE), ("unsubscribe", MAIN_LIST), ("opt_in", 0)],
        *[("sync", LIVE), ("unsubscribe", MAIN_LIST), ("hear", 2)],
    ],
    "an address that bounces after an opt-in": [
        *[("all_dnd", 1), ("sync", LIVE), ("opt_in", 0), ("sync", LIVE)],
        *[("bounce", 1), ("sync", LIVE)],
    ],
    "a bounce is all that GHL tells of what we lost": [
        *[("bounce", 1), ("sync", LIVE), ("lose_state", 0), ("sync", LIVE)],
    ],
    "our DND in GHL is all that is left of a no": [
        *[("exclude", 1), ("sync", LIVE), ("lose_state", 0), ("move", 0)],
        ("opt_in", 0),
    ],
    "an opt-in of somebody whose address bounces": [
        *[("unsubscribe", VIP_LIST), ("sync", LIVE), ("bounce", 1), ("opt_in", 0)],
        ("sync", LIVE),
    ],
    "told of a list while another one is left already": [
        *[("unsubscribe", FOREIGN_LIST), ("sync", LIVE), ("unsubscribe", VIP_LIST)],
        *[("opt_in", 0), ("hear", 3)],
    ],
    "told of a no to the old address, which nobody can see there any more": [
        *[("sync", LIVE), ("unsubscribe", MAIN_LIST), ("hear", 1)],
        *[("resubscribe", MAIN_LIST), ("move", 0)],
    ],
}


@pytest.mark.parametrize("what", LOST)
def test_what_was_got_wrong_once_is_right(what: str) -> None:
    World().run([*LOST[what], ("sync", LIVE), ("sync", LIVE)])


@pytest.mark.parametrize("no", [("all_dnd", 1), ("email_dnd", 1), ("email_dnd", 2)])
def test_one_of_a_mass_is_excluded_at_once_and_unsubscribed_once_it_is_confirmed(
    no: tuple[str, int],
) -> None:
    world = World()
    world.run([("sync", LIVE)])
    world.is_mass = True
    [person] = world.mailjet.people.values()

    world.run([no, ("sync", LIVE), ("sync", WHOLE)])
    held = person.excluded, dict(person.unsubscribed)
    world.is_mass = False
    world.run([("sync", WHOLE)])

    assert held == (True, {MAIN_LIST: False})
    assert all(person.unsubscribed[list_id] for list_id in POLICY.managed_lists)


def test_who_is_held_and_leaves_a_list_in_mailjet_is_unsubscribed_at_once() -> None:
    world = World()
    world.run([("sync", LIVE)])
    world.is_mass = True
    [person] = world.mailjet.people.values()

    world.run([("all_dnd", 1), ("sync", LIVE)])
    world.run([("unsubscribe", MAIN_LIST), ("sync", LIVE)])

    assert Source.MAILJET_LIST in world.state.own
    assert all(person.unsubscribed[list_id] for list_id in POLICY.managed_lists)


@pytest.mark.parametrize("count", PARTS, ids=[f"part{n}" for n in range(len(PARTS))])
def test_nobody_is_mailed_after_a_no_whatever_happens(count: int) -> None:
    """And whoever opted in since then is; see `World._must_keep_the_law`."""

    @given(history=HISTORY)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def holds(history: list[tuple[str, int]]) -> None:
        World().run([*history, ("sync", LIVE)])

    holds()
