"""All evidence about one contact, joined: the strictest of everybody counts."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sync import consent
from pipeline.sync.blocking import Block, Reason
from pipeline.sync.consent import (
    OF_MAILJET,
    STRICTNESS,
    Record,
    Source,
    Statement,
    Verdict,
)
from pipeline.sync.contact import Contact, Subscriber
from pipeline.sync.delivery import Delivery
from pipeline.sync.judging import Hearing, Judgement
from pipeline.sync.ports import Evidence, Told
from pipeline.sync.sides import Inheritance
from pipeline.sync.snapshot import Snapshot
from tests.builders import (
    LEAD_LIST,
    MAIN_LIST,
    VIP_LIST,
    make_contact,
    make_inheritance,
    make_policy,
    make_snapshot,
)
from tests.tiny_vendors import NOW_MS

POLICY = make_policy()
NEW, OLD = b"new-addr", b"old-addr"
BOUNCED = {"Email": Block(Reason.BOUNCED, 5).entry}
NOES = tuple(source for source in Source if source is not Source.OPT_IN)
TIMES = st.integers(NOW_MS - 9, NOW_MS - 1)
YES = Statement(Source.OPT_IN, NOW_MS - 5, "form 12")
RECORDS = st.dictionaries(st.sampled_from(tuple(Source)), TIMES, max_size=3).map(
    lambda times: {s: Statement(s, at_ms) for s, at_ms in times.items()}
)
NO_RECORDS = RECORDS.map(
    lambda record: {s: one for s, one in record.items() if s is not Source.OPT_IN}
)
ENTRIES = st.sampled_from(
    [
        None,
        {"status": "inactive"},
        {"status": "active"},
        {"status": "permanent", "code": "103"},
        *(dict(Block(reason, 5).entry) for reason in Reason),
    ]
)
CONTACTS = st.builds(
    lambda dnd, entry: make_contact(
        dnd=dnd, dnd_settings={"Email": entry} if entry else {}
    ),
    st.booleans(),
    ENTRIES,
)
SUBSCRIBERS = st.builds(
    Subscriber,
    contact_id=st.just(7),
    excluded=st.booleans(),
    complained=st.booleans(),
    unsubscribed=st.dictionaries(
        st.sampled_from([MAIN_LIST, VIP_LIST, LEAD_LIST, 77]), st.booleans()
    ),
    excluded_ms=st.none() | TIMES,
)
DELIVERIES = st.builds(
    Delivery,
    hard_ms=st.sampled_from([0, NOW_MS - 3]),
    soft=st.dictionaries(st.integers(1, 6), TIMES),
    alive_ms=st.sampled_from([0, NOW_MS - 2]),
)
OPEN = make_contact(dnd=False, dnd_settings={})
CLEAN = Subscriber(7, excluded=False, unsubscribed={MAIN_LIST: False})


def judge(
    contact: Contact = OPEN,
    evidence: Evidence | None = None,
    subscriber: Subscriber | None = CLEAN,
    heir: Inheritance | None = None,
    remembered: Snapshot | None = None,
) -> Judgement:
    return Hearing(
        contact, NEW, evidence or Evidence(), subscriber, heir, remembered, POLICY
    ).judge()


def remembered(address: bytes = NEW, **fields: Any) -> Snapshot:
    return make_snapshot(address=address, **fields)


def shows_no(contact: Contact, subscriber: Subscriber) -> bool:
    """Whether a vendor shows a no, in plain words; what bounces wrote is none."""
    channel = dict((contact.dnd_settings or {}).get("Email", {}))  # type: ignore[call-overload]
    is_bounce = channel.get("code") == "mailjet-bounced"
    email = channel.get("status") in ("active", "permanent") and not is_bounce
    excluded = subscriber.excluded and not is_bounce
    gone = True in (subscriber.unsubscribed or {}).values()
    return bool(contact.dnd or email or excluded or subscriber.complained or gone)


@given(contact=CONTACTS, subscriber=SUBSCRIBERS, late=st.none() | st.just(YES))
@settings(max_examples=500)
def test_after_the_loss_of_all_state_every_no_that_is_shown_closes(
    contact: Contact, subscriber: Subscriber, late: Statement | None
) -> None:
    """An opt-in may have been recorded since: what nobody dates is newer than that."""
    dated = replace(subscriber, excluded_ms=None)
    evidence = Evidence(own={Source.OPT_IN: late} if late else {})

    judgement = judge(contact, evidence, dated)

    assert judgement.verdict.is_open is not shows_no(contact, dated)
    assert not judgement.reopened


@given(contact=CONTACTS, subscriber=SUBSCRIBERS, record=RECORDS)
@settings(max_examples=300)
def test_looking_again_comes_to_the_same(
    contact: Contact, subscriber: Subscriber, record: Record
) -> None:
    first = judge(contact, Evidence(own=record), subscriber)

    again = judge(contact, Evidence(own=first.record), subscriber)

    assert again.verdict is first.verdict
    assert {s: one.at_ms for s, one in again.record.items()} == {
        s: one.at_ms for s, one in first.record.items()
    }


@given(own=RECORDS, others=st.lists(RECORDS, max_size=3), known=st.booleans())
@settings(max_examples=300)
def test_of_contacts_that_share_an_address_the_strictest_counts(
    own: Record, others: list[Record], known: bool
) -> None:
    sharers = {f"c{n}": remembered(opted_out=known) for n in range(len(others))}
    records = {f"c{n}": one for n, one in enumerate(others) if one}

    judgement = judge(evidence=Evidence(own=own, sharers=sharers, records=records))

    verdicts = [consent.decide(judgement.record)]
    for one in others:
        unsaid = Verdict.OPTED_OUT if known else Verdict.SUBSCRIBED
        verdicts.append(consent.decide(one) if one else unsaid)
    assert judgement.verdict is max(verdicts, key=STRICTNESS.index)
    if not judgement.verdict.is_open:
        assert not judgement.reopened


def test_somebody_elses_no_is_told_in_ghl_as_such_and_is_nobodys_own() -> None:
    record = {Source.GHL_ALL: Statement(Source.GHL_ALL, 5)}
    evidence = Evidence(sharers={"c1": remembered()}, records={"c1": record})

    judgement = judge(evidence=evidence)

    assert judgement.verdict is Verdict.OPTED_OUT
    assert judgement.reason is Reason.SHARED
    assert judgement.record == {}


@given(own=RECORDS, source=st.sampled_from(OF_MAILJET), at_ms=TIMES)
def test_what_mailjet_says_of_an_address_is_a_no_of_everybody_with_it(
    own: Record, source: Source, at_ms: int
) -> None:
    """Who saw it first had us leave all our lists, which tells nobody else anything."""
    said = {source: Statement(source, at_ms, str(MAIN_LIST))}
    evidence = Evidence(
        own=own, sharers={"c1": remembered(opted_out=True)}, records={"c1": said}
    )
    ours = Subscriber(7, excluded=False, unsubscribed={MAIN_LIST: True, VIP_LIST: True})

    judgement = judge(evidence=evidence, subscriber=ours)

    yes = own.get(Source.OPT_IN)
    noes = [at_ms, *(one.at_ms for s, one in own.items() if s is not Source.OPT_IN)]
    is_answered = yes is not None and yes.at_ms > max(noes)
    assert consent.decide(judgement.record).is_open is is_answered


def test_what_another_contact_heard_at_an_earlier_address_is_its_own() -> None:
    source = Source.MAILJET_LIST
    said = {source: Statement(source, NOW_MS - 9, str(MAIN_LIST), stands=False)}
    evidence = Evidence(
        sharers={"c1": remembered(opted_out=True)}, records={"c1": said}
    )

    judgement = judge(evidence=evidence)

    assert judgement.reason is Reason.SHARED
    assert judgement.record == {}


@given(
    was=SUBSCRIBERS,
    subscriber=SUBSCRIBERS | st.none(),
    own=RECORDS,
    told=NO_RECORDS,
    contact=CONTACTS,
)
@settings(max_examples=500)
def test_an_address_that_changes_takes_the_stricter_of_both(
    was: Subscriber,
    subscriber: Subscriber | None,
    own: Record,
    told: Record,
    contact: Contact,
) -> None:
    evidence, old = Evidence(own=own), remembered(OLD, opted_out=False)
    heir = make_inheritance(was=was, told=told)

    both = judge(contact, evidence, subscriber, heir, old)

    alone = [
        judge(contact, evidence, subscriber, None, old),
        judge(contact, evidence, None, make_inheritance(was=was, told=told), old),
        judge(contact, evidence, None, make_inheritance(was=Subscriber(0)), old),
    ]
    assert all(
        STRICTNESS.index(both.verdict) >= STRICTNESS.index(one.verdict) for one in alone
    )
    yes = own.get(Source.OPT_IN)
    last = max((one.at_ms for one in told.values()), default=0)
    assert not (last and both.verdict.is_open and (yes is None or yes.at_ms <= last))


@given(
    contact=CONTACTS,
    subscriber=SUBSCRIBERS,
    own=RECORDS,
    delivery=DELIVERIES,
    before=st.none()
    | st.builds(
        remembered,
        opted_out=st.booleans(),
        excluded=st.booleans(),
        bounced=st.booleans(),
    ),
)
@settings(max_examples=500)
def test_bounces_neither_close_nor_hide_a_no_nor_stand_in_the_record(
    contact: Contact,
    subscriber: Subscriber,
    own: Record,
    delivery: Delivery,
    before: Snapshot | None,
) -> None:
    told = Told(delivery=delivery)

    with_bounces = judge(
        contact, Evidence(own=own, told=told), subscriber, None, before
    )
    without = judge(contact, Evidence(own=own), subscriber, None, before)

    assert with_bounces.verdict is without.verdict
    assert with_bounces.record == without.record
    assert with_bounces.reopened is without.reopened
    if not without.verdict.is_open:
        assert with_bounces.reason is without.reason is not Reason.BOUNCED
        assert with_bounces.status == without.verdict


@given(own=RECORDS, subscriber=SUBSCRIBERS)
@settings(max_examples=200)
def test_our_dnd_for_a_bounce_says_nothing_about_the_person(
    own: Record, subscriber: Subscriber
) -> None:
    included = replace(subscriber, excluded=False)
    blocked = make_contact(dnd=False, dnd_settings=BOUNCED)

    with_block = judge(blocked, Evidence(own=own), included)
    without = judge(OPEN, Evidence(own=own), included)

    assert with_block.bounced
    assert not without.bounced
    assert with_block.verdict is without.verdict
    assert with_block.record == without.record


def test_a_bounce_of_the_old_address_is_not_inherited() -> None:
    """The old one was excluded for it, and GHL still shows our DND."""
    blocked = make_contact(dnd=False, dnd_settings=BOUNCED)
    was = Subscriber(99, excluded=True, unsubscribed={MAIN_LIST: False})
    old = remembered(OLD, bounced=True, excluded=True)

    judgement = judge(blocked, heir=make_inheritance(was=was), remembered=old)

    assert judgement.verdict.is_open
    assert not judgement.bounced
    assert judgement.record == {}


def test_somebody_excluded_by_hand_said_no_although_the_address_bounces() -> None:
    told = Told(delivery=Delivery(hard_ms=NOW_MS - 5))
    excluded = replace(CLEAN, excluded=True, excluded_ms=NOW_MS - 9000)

    by_hand = judge(evidence=Evidence(told=told), subscriber=excluded)
    by_us = judge(
        make_contact(dnd=False, dnd_settings=BOUNCED),
        Evidence(told=told),
        excluded,
        remembered=remembered(bounced=True, excluded=True),
    )

    assert by_hand.verdict is Verdict.OPTED_OUT
    assert by_hand.record[Source.MAILJET_EXCLUDED].at_ms < NOW_MS - 8000
    assert by_us.verdict.is_open
    assert by_us.status == "bounced"


@pytest.mark.parametrize(
    ("delivery", "settings_", "bounced"),
    [
        (Delivery(), BOUNCED, True),
        (Delivery(), {}, False),
        (Delivery(alive_ms=NOW_MS), BOUNCED, False),
        (Delivery(hard_ms=5), {}, True),
    ],
)
def test_what_ghl_tells_of_a_bounce_that_we_lost_holds_until_mail_arrives(
    delivery: Delivery, settings_: dict[str, object], bounced: bool
) -> None:
    contact = make_contact(dnd=False, dnd_settings=settings_)
    evidence = Evidence(told=Told(delivery=delivery))
    before = remembered(bounced=True, excluded=True)

    assert judge(contact, evidence, remembered=before).bounced is bounced


def test_what_we_wrote_ourselves_is_no_news_as_long_as_we_remember_it() -> None:
    everywhere = dict.fromkeys((MAIN_LIST, VIP_LIST, LEAD_LIST), True)
    contact = make_contact(
        dnd=False, dnd_settings={"Email": Block(Reason.REMEMBERED, 5).entry}
    )
    record = {Source.GHL_ALL: Statement(Source.GHL_ALL, 5, stands=False)}
    ours = Subscriber(7, excluded=True, unsubscribed=everywhere)
    before = remembered(opted_out=True, excluded=True)

    known = judge(contact, Evidence(own=record), ours, remembered=before)
    lost = judge(contact, Evidence(), ours)

    assert known.record == record
    assert known.reason is Reason.REMEMBERED
    assert lost.record.keys() == {
        Source.MAILJET_LIST,
        Source.MAILJET_EXCLUDED,
        Source.GHL_EMAIL,
    }
    assert {one.at_ms for one in lost.record.values()} == {NOW_MS}


@pytest.mark.parametrize("source", [Source.EARLIER, Source.MAILJET_SPAM])
def test_a_no_of_before_statements_were_kept_stays_one(source: Source) -> None:
    before = remembered(opted_out=True, complained=source is Source.MAILJET_SPAM)

    judgement = judge(remembered=before)

    assert judgement.record.keys() == {source}
    assert not judgement.verdict.is_open


def test_of_one_who_was_only_held_nothing_is_left_when_that_is_taken_back() -> None:
    judgement = judge(remembered=remembered(opted_out=True, held=True, excluded=True))

    assert judgement.record == {}


def test_sets_close_who_was_not_read_and_not_who_opted_in_since() -> None:
    in_sets = Evidence(in_ghl_set=True, in_mailjet_set=True, address_in_ghl_set=True)
    thin = make_contact()
    no = Statement(Source.GHL_ALL, NOW_MS - 9, stands=False)
    answered = {Source.GHL_ALL: no, Source.OPT_IN: YES}

    unread = judge(thin, in_sets, None)
    reopened = judge(thin, replace(in_sets, own=answered), None)

    assert unread.verdict is Verdict.OPTED_OUT
    assert unread.record.keys() == {Source.MAILJET}
    assert reopened.verdict.is_open
    assert reopened.reopened


@pytest.mark.parametrize("account_wide", [True, False])
def test_a_list_that_is_not_ours_counts_in_the_scope_of_the_account(
    account_wide: bool,
) -> None:
    policy = make_policy(optout_scope_account=account_wide)
    there = Subscriber(7, excluded=False, unsubscribed={77: True, VIP_LIST: False})

    judgement = Hearing(OPEN, NEW, Evidence(), there, None, None, policy).judge()

    assert judgement.verdict.is_open is not account_wide


CUT_SHORT = Subscriber(7, excluded=True, unsubscribed={MAIN_LIST: True, 77: False})


def after_a_kill(contact: Contact, evidence: Evidence | None = None) -> Judgement:
    """An attempt had begun to write, and nothing is remembered of it."""
    return Hearing(
        contact,
        NEW,
        evidence or Evidence(),
        CUT_SHORT,
        None,
        None,
        POLICY,
        unsettled=True,
    ).judge()


def test_what_a_cut_short_attempt_carried_out_is_not_taken_for_mailjets_own_no() -> (
    None
):
    by_hand = make_contact(dnd=False, dnd_settings={"Email": {"status": "active"}})
    said = Statement(Source.GHL_EMAIL, NOW_MS - 9, "webhook")
    taken_back = Evidence(told_of_contact={Source.GHL_EMAIL: said})

    found = [after_a_kill(by_hand), after_a_kill(OPEN, taken_back)]

    assert [one.verdict for one in found] == [Verdict.OPTED_OUT] * 2
    assert [one.record.keys() for one in found] == [{Source.GHL_EMAIL}] * 2


def test_a_no_that_nobody_else_said_is_mailjets_also_after_a_cut_short_attempt() -> (
    None
):
    ours = {"Email": Block(Reason.UNSUBSCRIBED, 5).entry}
    opted_in = Evidence(own={Source.OPT_IN: YES})

    by_nobody = after_a_kill(OPEN)
    blocked = after_a_kill(make_contact(dnd=False, dnd_settings=ours))
    after_opt_in = after_a_kill(OPEN, opted_in)

    for one in (by_nobody, blocked, after_opt_in):
        assert one.verdict is Verdict.OPTED_OUT
        assert Source.MAILJET_LIST in one.record
    assert blocked.reason is Reason.UNSUBSCRIBED
