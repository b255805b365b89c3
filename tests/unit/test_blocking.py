"""GHL's e-mail DND: who wrote it and why, and every other channel as it was."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sync import blocking, ghl_dnd
from pipeline.sync.blocking import TAGS, WORDS, Block, Reason, Unblock, with_email
from pipeline.sync.consent import Record, Source, Statement
from pipeline.sync.contact import Contact
from pipeline.sync.writer import Writer
from tests.builders import EMAIL, make_contact, make_policy
from tests.tiny_vendors import NOW_MS, TinyGhl, TinyMailjet

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)
EMAIL_NAMES = st.sampled_from(["Email", "email", "EMAIL", "eMail"])
CHANNELS = st.sampled_from(["SMS", "sms", "Call", "WhatsApp", "GMB", "FB", "RCS", ""])
ENTRIES = st.fixed_dictionaries(
    {"status": st.sampled_from(["active", "inactive", "permanent", ""])},
    optional={"code": st.text(max_size=5), "message": st.text(max_size=5)},
)
SETTINGS = st.dictionaries(CHANNELS | st.text(max_size=8), JSON, max_size=5).flatmap(
    lambda others: st.dictionaries(EMAIL_NAMES, ENTRIES, max_size=2).map(
        lambda email: {**others, **email}
    )
)
REASONS = st.sampled_from(Reason)
TIMES = st.sampled_from([0, NOW_MS])


def is_email(name: str) -> bool:
    return name.lower() == "email"


def others(channels: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, one) for name, one in channels.items() if not is_email(name)]


def ghl_with(**fields: Any) -> TinyGhl:
    return TinyGhl([make_contact(**fields)])


def run(ghl: TinyGhl, action: Block | Unblock) -> dict[str, Any]:
    """The channels after one action, and what was there before is not shared."""
    Writer(ghl, TinyMailjet(), make_policy(), "gh1", EMAIL).run((action,), 1)
    return dict(ghl.contacts["gh1"].dnd_settings or {})


@given(settings_=SETTINGS, reason=REASONS, at_ms=TIMES)
@settings(max_examples=300)
def test_every_other_channel_stays_byte_for_byte_as_it_was(
    settings_: dict[str, Any], reason: Reason, at_ms: int
) -> None:
    before = copy.deepcopy(settings_)
    entry = Block(reason, at_ms).entry

    whole = with_email(settings_, entry)

    assert settings_ == before
    assert others(whole) == others(before)
    names = [name for name in before if is_email(name)] or ["Email"]
    ours = {name: one for name, one in whole.items() if is_email(name)}
    assert ours == dict.fromkeys(names, entry)


@given(settings_=st.none() | SETTINGS, reason=REASONS, at_ms=TIMES)
@settings(max_examples=200)
def test_a_block_blocks_says_who_wrote_it_and_why_and_changes_nothing_else(
    settings_: dict[str, Any] | None, reason: Reason, at_ms: int
) -> None:
    before = make_contact(dnd=False, dnd_settings=copy.deepcopy(settings_))
    ghl = ghl_with(dnd=False, dnd_settings=settings_)

    after = run(ghl, Block(reason, at_ms))

    assert ghl_dnd.ghl_blocks(ghl.contacts["gh1"])
    assert others(after) == others(settings_ or {})
    if ghl_dnd.ghl_blocks(before):
        assert after == settings_, "what somebody wrote of it stays"
        assert ghl.writes == 0
        return
    for name, entry in after.items():
        if is_email(name):
            assert entry["code"] == reason
            assert WORDS[reason][1:] in entry["message"]
            assert entry["message"].endswith("; written by ghl-mailjet")
            assert ("2026-11-23T16:00:00Z" in entry["message"]) is bool(at_ms)


@given(settings_=SETTINGS)
@settings(max_examples=200)
def test_lifting_it_changes_no_other_channel_and_says_why(
    settings_: dict[str, Any],
) -> None:
    ghl = ghl_with(dnd=False, dnd_settings=copy.deepcopy(settings_))
    said_no = ghl_dnd.email_status(ghl.contacts["gh1"]) != "inactive"

    after = run(ghl, Unblock("The person opted in"))

    assert others(after) == others(settings_)
    assert ghl_dnd.ghl_blocks(ghl.contacts["gh1"]) is False
    if said_no:
        entries = [one for name, one in after.items() if is_email(name)]
        assert {e["message"] for e in entries} == {
            "The person opted in; written by ghl-mailjet"
        }
        assert not any(ghl_dnd.is_bounce_block(c) for c in ghl.contacts.values())


@pytest.mark.parametrize("reason", Reason)
def test_only_what_mailjet_told_is_a_tag_and_nothing_is_tagged_twice(
    reason: Reason,
) -> None:
    ghl = ghl_with(dnd=False, dnd_settings={}, tags=("mailjet-bounced",))

    run(ghl, Block(reason, 0))

    is_new = reason in TAGS and reason != "mailjet-bounced"
    assert ghl.tags == ({"gh1": [reason]} if is_new else {})


@pytest.mark.parametrize("name", ["Email", "email"])
@pytest.mark.parametrize("reason", [r for r in Reason if r is not Reason.BOUNCED])
def test_a_no_replaces_what_stands_there_for_a_bounce(
    reason: Reason, name: str
) -> None:
    bounced = {"SMS": {"status": "active"}, name: Block(Reason.BOUNCED, 5).entry}
    contact = make_contact(dnd=False, dnd_settings=bounced)
    ghl = TinyGhl([contact])

    needed = blocking.needs_block(contact, in_ghl_set=True, is_closed=True)
    after = run(ghl, Block(reason, NOW_MS))

    assert needed
    assert after == {"SMS": {"status": "active"}, name: Block(reason, NOW_MS).entry}
    assert ghl_dnd.email_opt_out(ghl.contacts["gh1"])


def test_a_bounce_does_not_replace_what_somebody_said() -> None:
    said = {"Email": Block(Reason.COMPLAINED, 5).entry}
    ghl = ghl_with(dnd=False, dnd_settings=said)

    after = run(ghl, Block(Reason.BOUNCED, NOW_MS))

    assert after == said


@pytest.mark.parametrize(
    ("fields", "in_ghl_set", "is_closed", "needed"),
    [
        ({"dnd": False, "dnd_settings": {}}, False, True, True),
        ({"dnd": False, "dnd_settings": {}}, True, True, True),
        ({"dnd": True, "dnd_settings": {}}, False, True, False),
        ({"dnd": None, "dnd_settings": None}, False, True, True),
        ({"dnd": None, "dnd_settings": None}, True, True, False),
        ({"dnd": False, "dnd_settings": {"Email": "permanent"}}, False, True, False),
        ({"dnd": False, "dnd_settings": {"Email": "inactive"}}, True, False, True),
        (
            {"dnd": False, "dnd_settings": {"Email": Block(Reason.BOUNCED, 5).entry}},
            *(False, False, False),
        ),
        (
            {"dnd": True, "dnd_settings": {"Email": Block(Reason.BOUNCED, 5).entry}},
            *(False, True, True),
        ),
    ],
)
def test_ghl_is_told_where_it_may_still_mail(
    fields: dict[str, Any], in_ghl_set: bool, is_closed: bool, needed: bool
) -> None:
    contact: Contact = make_contact(**fields)

    assert (
        blocking.needs_block(contact, in_ghl_set=in_ghl_set, is_closed=is_closed)
        is needed
    )


@pytest.mark.parametrize(
    ("sources", "reason"),
    [
        ([Source.MAILJET_LIST], Reason.UNSUBSCRIBED),
        ([Source.MAILJET], Reason.UNSUBSCRIBED),
        ([Source.MAILJET_EXCLUDED], Reason.EXCLUDED),
        ([Source.MAILJET_LIST, Source.MAILJET_SPAM], Reason.COMPLAINED),
        ([Source.MAILJET_EXCLUDED, Source.MAILJET_LIST], Reason.UNSUBSCRIBED),
        ([Source.GHL_ALL], Reason.REMEMBERED),
        ([Source.EARLIER], Reason.REMEMBERED),
        ([Source.GHL_EMAIL, Source.MAILJET_EXCLUDED], Reason.EXCLUDED),
    ],
)
def test_the_reason_is_what_tells_most(sources: list[Source], reason: Reason) -> None:
    record: Record = {source: Statement(source, 5) for source in sources}

    assert blocking.reason_of(record) is reason


def test_what_an_opt_in_answers_is_no_reason_any_more() -> None:
    record = {
        Source.MAILJET_SPAM: Statement(Source.MAILJET_SPAM, 1),
        Source.OPT_IN: Statement(Source.OPT_IN, 2),
        Source.MAILJET_EXCLUDED: Statement(Source.MAILJET_EXCLUDED, 3),
    }

    reason = blocking.reason_of(record)

    assert reason is Reason.EXCLUDED
    assert blocking.said_ms(record, reason) == 3
