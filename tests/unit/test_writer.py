"""A plan carried out on a Mailjet that keeps its own word, and what is remembered."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import NotFound
from pipeline.sync.actions import (
    Confirm,
    Exclude,
    Retire,
    SetLists,
    Unsubscribe,
    Upsert,
)
from pipeline.sync.consent import Verdict, mailjet_opt_out
from pipeline.sync.contact import Contact, ListAction
from pipeline.sync.mapping import NAME
from pipeline.sync.remembering import empty_snapshot
from pipeline.sync.snapshot import Fingerprint, Snapshot
from pipeline.sync.writer import Writer
from tests.builders import (
    CORE_FIELDS,
    EMAIL,
    KEY,
    LEAD_LIST,
    MAIN_LIST,
    TAG_LISTS,
    VIP_LIST,
    carry_out,
    make_contact,
    make_field_map,
    make_policy,
    make_snapshot,
    same,
    told,
)
from tests.tiny_vendors import TinyGhl, TinyMailjet, as_it_is

MANAGED = (MAIN_LIST, VIP_LIST, LEAD_LIST)
COLUMNS = make_field_map().columns
VALUE = st.sampled_from(["", "Rome", "ROME", "Ann", "a text of some length", "42"])
CONTACTS = st.builds(
    told,
    st.dictionaries(st.sampled_from(sorted(CORE_FIELDS)), VALUE),
    tags=st.none() | st.lists(st.sampled_from(["vip", "lead", "x"]), unique=True),
)
VERDICTS = st.sampled_from(Verdict)
CLOSED = st.sampled_from([verdict for verdict in Verdict if not verdict.is_open])


def lower(text: str) -> str:
    return text.lower()


def cut(text: str) -> str:
    return text[:9]


def trimmed_lower(text: str) -> str:
    return text.strip()[:12].lower()


REWRITES = st.sampled_from([as_it_is, lower, cut, trimmed_lower])
READINGS = st.sampled_from(["remembered", "paged", "read"])
STRANGERS = st.none() | st.fixed_dictionaries(
    {
        "properties": st.dictionaries(st.sampled_from(["city", "phone"]), VALUE),
        "unsubscribed": st.dictionaries(st.sampled_from([*MANAGED, 77]), st.booleans()),
        "excluded": st.booleans(),
    }
)


def sync(
    mailjet: TinyMailjet,
    contact: Contact,
    base: Snapshot | None,
    reading: str,
    verdict: Verdict,
    *,
    exclude: bool = False,
) -> tuple[tuple[object, ...], Snapshot]:
    """One sync; `paged` knows of Mailjet what a page of contactdata tells."""
    subscriber = mailjet.read(EMAIL) if reading == "read" else None
    seen = None
    if reading == "paged" and base is not None:
        full = mailjet.read(EMAIL)
        page = type(full)(full.contact_id, properties=full.properties)
        seen = Fingerprint(KEY).subscriber(COLUMNS, page)
    return carry_out(
        mailjet,
        contact,
        base,
        subscriber=subscriber,
        seen=seen,
        verdict=verdict,
        exclude=exclude,
    )


@given(
    rewrite=REWRITES,
    before=CONTACTS,
    after=CONTACTS,
    readings=st.tuples(READINGS, READINGS, READINGS),
    verdict=VERDICTS,
    exclude=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_a_second_plan_is_empty_also_where_mailjet_rewrites_what_it_stores(
    rewrite: Callable[[str], str],
    before: Contact,
    after: Contact,
    readings: tuple[str, str, str],
    verdict: Verdict,
    exclude: bool,
) -> None:
    mailjet = TinyMailjet(rewrite)
    first, second, third = readings
    _, base = sync(mailjet, before, None, first, verdict, exclude=exclude)
    _, base = sync(mailjet, after, base, second, verdict, exclude=exclude)

    actions, again = sync(mailjet, after, base, third, verdict, exclude=exclude)

    assert actions == ()
    assert again.ghl == base.ghl


@given(
    rewrite=REWRITES,
    contacts=st.lists(CONTACTS, min_size=1, max_size=3),
    reading=READINGS,
    stranger=STRANGERS,
)
@settings(max_examples=80, deadline=None)
def test_after_a_sync_mailjet_holds_all_that_ghl_told(
    rewrite: Callable[[str], str],
    contacts: list[Contact],
    reading: str,
    stranger: dict[str, object] | None,
) -> None:
    mailjet = TinyMailjet(rewrite)
    if stranger:
        mailjet.person(EMAIL, **{**stranger, "unsubscribed": {}})  # type: ignore[arg-type]
    base, first = None, "read"

    told_so_far: list[dict[str, str]] = []
    for contact in contacts:
        _, base = sync(mailjet, contact, base, first, Verdict.SUBSCRIBED)
        first = reading

        held = mailjet.read(EMAIL)
        wanted = make_field_map().desired(contact, Verdict.SUBSCRIBED)
        told_so_far.append(wanted)
        lists = {column: value for column, value in wanted.items() if ":" in column}
        for column, value in wanted.items() - lists.items():
            if value and column == NAME:
                assert held.name in (rewrite(value), value)
            elif value:
                # Tags in another order are not written anew, wherever they were cut.
                equal = [
                    once[column]
                    for once in told_so_far
                    if column in once
                    and same(column, once[column]) == same(column, value)
                ]
                known = same(column, (held.properties or {}).get(column))
                stored = {same(column, rewrite(text)) for text in equal}
                assert known in {*stored, same(column, value)}
        for column, value in lists.items():
            member = (held.unsubscribed or {}).get(int(column[5:])) is False
            assert member == (value == "1")


@given(
    contact=CONTACTS,
    later=CONTACTS,
    stranger=STRANGERS,
    verdict=CLOSED,
    reading=READINGS,
    exclude=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_after_an_opt_out_no_list_of_ours_has_the_person(
    contact: Contact,
    later: Contact,
    stranger: dict[str, object] | None,
    verdict: Verdict,
    reading: str,
    exclude: bool,
) -> None:
    mailjet = TinyMailjet()
    if stranger:
        mailjet.person(EMAIL, **stranger)  # type: ignore[arg-type]

    _, base = sync(mailjet, contact, None, "read", verdict, exclude=exclude)
    _, base = sync(mailjet, later, base, reading, verdict, exclude=exclude)

    [person] = mailjet.people.values()
    assert all(person.unsubscribed[list_id] for list_id in MANAGED)
    assert person.excluded or not exclude
    assert base.opted_out
    assert {action for _, action in mailjet.sent} <= {"unsub"}


@given(
    contacts=st.lists(CONTACTS, min_size=1, max_size=4),
    stranger=STRANGERS,
    gone=st.sampled_from([*MANAGED, 77]),
    when=st.integers(0, 3),
)
@settings(max_examples=80, deadline=None)
def test_an_unsubscription_in_mailjet_is_never_lost(
    contacts: list[Contact],
    stranger: dict[str, object] | None,
    gone: int,
    when: int,
) -> None:
    mailjet = TinyMailjet()
    mailjet.person(EMAIL, **(stranger or {}))  # type: ignore[arg-type]
    [person] = mailjet.people.values()
    base: Snapshot | None = None

    for turn, contact in enumerate(contacts):
        if turn == when:
            person.unsubscribed[gone] = True
        before = {i for i, is_gone in person.unsubscribed.items() if is_gone}
        said_no = mailjet_opt_out(mailjet.read(EMAIL), account_wide=True)
        is_closed = said_no or bool(base and base.opted_out)
        verdict = Verdict.OPTED_OUT if is_closed else Verdict.SUBSCRIBED
        _, base = sync(mailjet, contact, base, "read", verdict)

        after = {i for i, is_gone in person.unsubscribed.items() if is_gone}
        assert before <= after
    assert "addforce" not in {action for _, action in mailjet.sent}


@given(
    contacts=st.lists(st.tuples(CONTACTS, VERDICTS, READINGS), max_size=4),
    rewrite=REWRITES,
)
@settings(max_examples=80, deadline=None)
def test_no_empty_text_ever_reaches_mailjet(
    contacts: list[tuple[Contact, Verdict, str]], rewrite: Callable[[str], str]
) -> None:
    mailjet = TinyMailjet(rewrite)
    base = None

    for contact, verdict, reading in contacts:
        _, base = sync(mailjet, contact, base, reading, verdict)

    assert all(mailjet.written)


def test_what_nobody_told_stays_remembered() -> None:
    mailjet = TinyMailjet()
    known = told({"city": "Rome", "phone": "42"}, tags=["vip"])
    _, base = carry_out(mailjet, known)

    actions, after = carry_out(mailjet, told({"city": "Oslo"}), base)

    assert len(actions) == 1
    changed = [
        column
        for column, old, new in zip(COLUMNS, base.ghl, after.ghl, strict=True)
        if old != new
    ]
    assert changed == ["city"]
    assert after.mailjet_id == base.mailjet_id == 1
    assert after.digest == make_field_map().digest


@pytest.mark.parametrize("is_read", [True, False])
def test_what_an_older_contact_held_back_is_written_once_it_is_gone(
    is_read: bool,
) -> None:
    mailjet = TinyMailjet()
    carry_out(mailjet, told({"city": "Rome"}, id="older"))
    younger = told({"city": "Oslo"}, id="younger")
    read = mailjet.read(EMAIL) if is_read else None
    held_back, base = carry_out(
        mailjet, younger, subscriber=read, writes_properties=False
    )

    carry_out(mailjet, younger, base, subscriber=read)

    assert held_back == ()
    assert (mailjet.read(EMAIL).properties or {})["city"] == "Oslo"


def test_what_was_really_read_is_remembered_although_nothing_is_written() -> None:
    mailjet = TinyMailjet()
    _, base = carry_out(mailjet, make_contact())
    [person] = mailjet.people.values()
    person.properties["phone"] = "42"

    actions, after = carry_out(
        mailjet, make_contact(), base, subscriber=mailjet.read(EMAIL)
    )

    index = COLUMNS.index("phone")
    assert actions == ()
    assert base.mailjet[index] != after.mailjet[index]
    assert after.mailjet[index] == Fingerprint(KEY).of("phone", "42")


def test_the_answer_tells_what_mailjet_really_holds() -> None:
    mailjet = TinyMailjet(cut)

    _, base = carry_out(mailjet, told({"city": "Llanfairpwll"}))

    index = COLUMNS.index("city")
    assert base.ghl[index] == Fingerprint(KEY).of("city", "Llanfairpwll")
    assert base.mailjet[index] == Fingerprint(KEY).of("city", "Llanfairp")


def test_a_name_that_mailjet_cut_is_remembered_as_it_is_held() -> None:
    mailjet = TinyMailjet(cut)
    contact = told({"firstName": "Maximiliane", "lastName": "Lee"})

    _, base = carry_out(mailjet, contact)

    index = COLUMNS.index(NAME)
    assert base.ghl[index] == Fingerprint(KEY).of(NAME, "Maximiliane Lee")
    assert base.mailjet[index] == Fingerprint(KEY).of(NAME, "Maximilia")


def test_an_opt_out_of_a_stranger_makes_the_person_unsubscribed() -> None:
    mailjet = TinyMailjet()

    actions, base = carry_out(
        mailjet, make_contact(), verdict=Verdict.OPTED_OUT, exclude=True
    )

    assert actions[:2] == (Unsubscribe(MANAGED), Exclude())
    [person] = mailjet.people.values()
    assert person.unsubscribed == dict.fromkeys(MANAGED, True)
    assert person.excluded
    assert (base.opted_out, base.excluded, base.complained) == (True, True, False)


def test_a_complaint_is_remembered_as_one() -> None:
    _, base = carry_out(TinyMailjet(), make_contact(), verdict=Verdict.COMPLAINED)

    assert base.opted_out
    assert base.complained


def test_an_error_ends_the_run_where_it_stood() -> None:
    mailjet = TinyMailjet()
    upsert = Upsert(ListAction.ADD, None, {"city": "Rome"})
    writer = Writer(TinyGhl(), mailjet, make_policy(), "gh1", EMAIL)

    with pytest.raises(NotFound):
        writer.run((Retire(404, {MAIN_LIST: ListAction.REMOVE}), upsert), 0)

    assert mailjet.people == {}


def test_the_old_address_leaves_our_lists_and_keeps_the_others() -> None:
    mailjet = TinyMailjet()
    old = mailjet.person(
        "old@example.com", unsubscribed=dict.fromkeys((*MANAGED, 77), False)
    )
    writer = Writer(TinyGhl(), mailjet, make_policy(), "gh1", EMAIL)

    writer.run((Retire(old.id, dict.fromkeys(MANAGED, ListAction.REMOVE)),), 0)

    assert old.unsubscribed == {77: False}


def test_joining_and_leaving_lists_is_remembered() -> None:
    mailjet = TinyMailjet()
    person = mailjet.person(EMAIL, unsubscribed={LEAD_LIST: False})
    writer = Writer(TinyGhl(), mailjet, make_policy(), "gh1", EMAIL)

    facts = writer.run((SetLists(join=(VIP_LIST,), leave=(LEAD_LIST,)),), person.id)

    assert person.unsubscribed == {VIP_LIST: False}
    assert facts.values == {f"list:{VIP_LIST}": "1", f"list:{LEAD_LIST}": "0"}


@pytest.mark.parametrize("is_read", [True, False])
def test_leaving_and_joining_again_never_revives_who_left_a_tag_list(
    is_read: bool,
) -> None:
    mailjet = TinyMailjet()
    _, base = carry_out(mailjet, told({}, tags=["vip"]))
    [person] = mailjet.people.values()
    person.unsubscribed[VIP_LIST] = True

    for tags in ([], ["vip"], [], ["vip"]):
        read = mailjet.read(EMAIL) if is_read else None
        _, base = carry_out(mailjet, told({}, tags=tags), base, subscriber=read)

        assert person.unsubscribed[VIP_LIST] is True


def test_a_confirmation_sets_the_tag_in_ghl() -> None:
    ghl = TinyGhl()
    writer = Writer(ghl, TinyMailjet(), make_policy(), "gh1", EMAIL)

    writer.run((Confirm("in mailjet"),), 1)

    assert ghl.tags == {"gh1": ["in mailjet"]}


@given(was=st.booleans(), now=st.booleans(), complained=st.booleans())
@settings(max_examples=20)
def test_losing_the_address_never_loses_the_opt_out(
    was: bool, now: bool, complained: bool
) -> None:
    remembered = make_snapshot(opted_out=was, complained=complained)

    snapshot = empty_snapshot(make_contact(email=""), remembered, now, make_policy())

    assert snapshot.opted_out is (was or now)
    assert snapshot.complained is complained
    assert (snapshot.address, snapshot.mailjet_id) == (b"", 0)


@pytest.mark.parametrize(
    ("action", "was", "now"),
    [
        ("addnoforce", None, False),
        ("addnoforce", False, False),
        ("addnoforce", True, True),
        ("unsub", None, True),
        ("unsub", False, True),
        ("remove", True, None),
        ("addforce", True, False),
    ],
)
def test_the_tiny_mailjet_does_what_mailjet_says_of_its_actions(
    action: str, was: bool | None, now: bool | None
) -> None:
    mailjet = TinyMailjet()
    person = mailjet.person(EMAIL, unsubscribed={} if was is None else {5: was})

    mailjet.manage_lists(person.id, {5: action})  # type: ignore[dict-item]

    assert person.unsubscribed.get(5) is now


def test_every_list_that_mirrors_a_tag_is_managed() -> None:
    assert set(make_policy().managed_lists) == {MAIN_LIST, *TAG_LISTS.values()}
