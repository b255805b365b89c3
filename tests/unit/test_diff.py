"""The plan: consent first, empties never wipe, and nothing twice."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pipeline.sync
from pipeline.sync.actions import (
    Action,
    Edit,
    Exclude,
    Include,
    Resubscribe,
    Retire,
    SetLists,
    Unsubscribe,
    Upsert,
)
from pipeline.sync.blocking import Block, Reason
from pipeline.sync.consent import Verdict
from pipeline.sync.contact import Contact, ListAction, Subscriber
from pipeline.sync.mapping import EMAIL_STATUS, NAME, TAGS
from pipeline.sync.sides import Inheritance, Sides
from pipeline.sync.snapshot import Fingerprint, Snapshot
from tests.builders import (
    CORE_FIELDS,
    KEY,
    LEAD_LIST,
    MAIN_LIST,
    VIP_LIST,
    make_field_map,
    make_inheritance,
    make_plan,
    make_sides,
    make_snapshot,
    told,
)

COLUMNS = make_field_map().columns
VALUE = st.sampled_from(["", "Rome", "rome", "Ann", "  ", "a long text"])
LISTS = (MAIN_LIST, VIP_LIST, LEAD_LIST, 77)
CONTACTS = st.builds(
    told,
    st.dictionaries(st.sampled_from(sorted(CORE_FIELDS)), VALUE),
    tags=st.none() | st.lists(st.sampled_from(["vip", "lead", "x"]), unique=True),
)
MEMBERSHIPS = st.dictionaries(st.sampled_from(LISTS), st.booleans())
SUBSCRIBERS = st.builds(
    Subscriber,
    contact_id=st.sampled_from([0, 1]),
    name=st.none() | VALUE,
    properties=st.none()
    | st.dictionaries(st.sampled_from(sorted(CORE_FIELDS.values())), VALUE),
    excluded=st.none() | st.booleans(),
    unsubscribed=st.none() | MEMBERSHIPS,
)
SIDE = st.tuples(*[st.sampled_from([0, 1])] * len(COLUMNS)) | st.builds(
    lambda contact, status: Fingerprint(KEY).wanted(
        COLUMNS, make_field_map().desired(contact, status)
    ),
    CONTACTS,
    st.sampled_from(Verdict),
)
SNAPSHOTS = st.builds(
    make_snapshot,
    ghl=SIDE,
    mailjet=SIDE,
    mailjet_id=st.sampled_from([0, 1]),
    opted_out=st.booleans(),
    excluded=st.booleans(),
)


def heir(opted_out: bool, left: list[int], **fields: object) -> Inheritance:
    leave = ListAction.UNSUBSCRIBE if opted_out else ListAction.REMOVE
    leaves = dict.fromkeys(left, leave)
    return make_inheritance(opted_out=opted_out, leaves=leaves, **fields)


HEIRS = st.builds(
    heir,
    st.booleans(),
    st.lists(st.sampled_from([MAIN_LIST, VIP_LIST]), unique=True),
    lists=st.lists(st.sampled_from(LISTS), unique=True).map(tuple),
    properties=st.dictionaries(st.sampled_from(["city", "theirs"]), st.just("Oslo")),
    excluded=st.booleans(),
)
CLOSED = st.sampled_from([verdict for verdict in Verdict if not verdict.is_open])


def sides_of(verdict: st.SearchStrategy[Verdict]) -> st.SearchStrategy[Sides]:
    return st.builds(
        make_sides,
        CONTACTS,
        verdict=verdict,
        base=st.none() | SNAPSHOTS,
        subscriber=st.none() | SUBSCRIBERS,
        seen=st.none() | SIDE,
        writes_properties=st.booleans(),
        exclude=st.booleans(),
        inherits=st.none() | HEIRS,
    )


def could_subscribe(action: Action) -> bool:
    if isinstance(action, Upsert):
        return action.action is ListAction.ADD
    return isinstance(action, SetLists) and bool(action.join)


def is_consent(action: Action) -> bool:
    if isinstance(action, Retire):
        return set(action.lists.values()) == {ListAction.UNSUBSCRIBE}
    return isinstance(action, Unsubscribe | Exclude)


def rank(action: Action) -> int:
    """The place of an action in the plan for a no."""
    if is_consent(action):
        return 1
    return 2 if isinstance(action, Block) else 3


def agreed(contact: Contact, **fields: object) -> Snapshot:
    """Remembered as equal on both sides."""
    wanted = make_field_map().desired(contact, Verdict.SUBSCRIBED)
    side = Fingerprint(KEY).wanted(COLUMNS, wanted)
    return make_snapshot(ghl=side, mailjet=side, **fields)


@given(sides=sides_of(CLOSED))
@settings(max_examples=60)
def test_no_plan_for_an_opt_out_could_subscribe_anybody_anywhere(sides: Sides) -> None:
    actions = make_plan(sides)

    assert not [action for action in actions if could_subscribe(action)]


@given(sides=sides_of(st.sampled_from(Verdict)))
@settings(max_examples=60)
def test_consent_comes_before_everything_else(sides: Sides) -> None:
    actions = make_plan(sides)

    consents = [is_consent(action) for action in actions]
    assert consents == sorted(consents, reverse=True)
    if sides.verdict.is_open:
        assert not [one for one in actions if isinstance(one, Unsubscribe | Exclude)]


@given(sides=sides_of(st.sampled_from(Verdict)))
@settings(max_examples=60)
def test_neither_an_empty_nor_an_unknown_value_is_ever_written(sides: Sides) -> None:
    actions = make_plan(sides)

    inherited = sides.inherits.properties if sides.inherits else {}
    for action in actions:
        if isinstance(action, Upsert | Edit):
            assert action.name != ""
            assert all(action.properties.values())
            assert all(
                value in (sides.wanted.get(column), inherited.get(column))
                for column, value in action.properties.items()
            )


@given(sides=sides_of(st.sampled_from(Verdict)))
@settings(max_examples=60)
def test_who_shares_an_address_with_somebody_older_writes_no_property(
    sides: Sides,
) -> None:
    actions = make_plan(sides)

    if not sides.writes_properties:
        assert not [action for action in actions if isinstance(action, Upsert | Edit)]


@given(sides=sides_of(CLOSED))
@settings(max_examples=60)
def test_an_opt_out_that_nobody_told_mailjet_is_told_for_every_list_we_manage(
    sides: Sides,
) -> None:
    actions = make_plan(sides)

    unread = sides.subscriber is None
    known = sides.base is not None and sides.base.opted_out
    if not (unread and known) and not (
        sides.subscriber
        and all(
            (sides.subscriber.unsubscribed or {}).get(list_id)
            for list_id in (MAIN_LIST, VIP_LIST, LEAD_LIST)
        )
    ):
        first, *_ = (one for one in actions if not isinstance(one, Retire))
        assert first == Unsubscribe((MAIN_LIST, VIP_LIST, LEAD_LIST))


@pytest.mark.parametrize("known", ["told", "remembered"])
def test_an_exclusion_is_asked_for_once(known: str) -> None:
    everywhere = dict.fromkeys((MAIN_LIST, VIP_LIST, LEAD_LIST), True)
    closed = {"verdict": Verdict.OPTED_OUT, "exclude": True}
    sides = [
        make_sides(
            subscriber=Subscriber(1, excluded=excluded, unsubscribed=everywhere),
            **closed,
        )
        if known == "told"
        else make_sides(base=make_snapshot(opted_out=True, excluded=excluded), **closed)
        for excluded in (False, True)
    ]

    first, second = (make_plan(one) for one in sides)

    assert Exclude() in first
    assert Exclude() not in second
    assert not [action for action in second if isinstance(action, Unsubscribe)]


def test_somebody_new_is_added_with_everything_told() -> None:
    contact = told({"firstName": "Ann", "lastName": "Lee", "city": ""}, tags=["vip"])

    upsert, lists = make_plan(make_sides(contact))

    assert isinstance(upsert, Upsert)
    assert (upsert.action, upsert.name) == (ListAction.ADD, "Ann Lee")
    assert upsert.properties == {
        "firstname": "Ann",
        "lastname": "Lee",
        "ghl_contact_id": "gh1",
        "ghl_location_id": "loc1",
        EMAIL_STATUS: "subscribed",
        TAGS: "|vip|",
    }
    assert lists == SetLists(join=(VIP_LIST,), leave=())


def test_only_what_changed_is_written() -> None:
    before = told({"city": "Rome", "state": "RM"}, tags=["vip"])
    after = told({"city": "Oslo", "state": "RM"}, tags=["vip"])

    actions = make_plan(make_sides(after, base=agreed(before)))

    assert actions == (Upsert(ListAction.ADD, None, {"city": "Oslo"}),)


def test_a_tag_that_came_joins_its_list_and_one_that_went_leaves_it() -> None:
    before, after = told({}, tags=["vip"]), told({}, tags=["lead"])

    upsert, lists = make_plan(make_sides(after, base=agreed(before)))

    assert upsert == Upsert(ListAction.ADD, None, {TAGS: "|lead|"})
    assert lists == SetLists(join=(LEAD_LIST,), leave=(VIP_LIST,))


@pytest.mark.parametrize("later", [{}, {"city": ""}])
def test_a_value_that_went_silent_or_empty_is_left_as_it_was(
    later: dict[str, str],
) -> None:
    base = agreed(told({"city": "Rome"}))

    actions = make_plan(make_sides(told(later), base=base))

    assert actions == ()


@given(tags=st.permutations(["vip", "lead", "x", "y"]))
@settings(max_examples=20)
def test_other_order_of_tags_writes_nothing(tags: list[str]) -> None:
    base = agreed(told({}, tags=["vip", "lead", "x", "y"]))

    actions = make_plan(make_sides(told({}, tags=tags), base=base))

    assert actions == ()


def test_what_somebody_changed_in_mailjet_is_put_back() -> None:
    contact = told({"city": "Rome"})
    seen = Fingerprint(KEY).subscriber(
        COLUMNS,
        Subscriber(
            1,
            properties={
                **make_field_map().desired(contact, Verdict.SUBSCRIBED),
                "city": "Oslo",
            },
        ),
    )

    actions = make_plan(make_sides(contact, base=agreed(contact), seen=seen))

    assert actions == (Upsert(ListAction.ADD, None, {"city": "Rome"}),)


def test_what_mailjet_holds_already_is_not_written_even_without_a_snapshot() -> None:
    contact = told({"firstName": "Ann", "lastName": "Lee"}, tags=["vip"])
    wanted = make_field_map().desired(contact, Verdict.SUBSCRIBED)
    subscriber = Subscriber(
        1,
        name=wanted[NAME],
        properties=wanted,
        unsubscribed={MAIN_LIST: False, VIP_LIST: False},
    )

    actions = make_plan(make_sides(contact, subscriber=subscriber))

    assert actions == ()


def test_who_was_taken_off_the_list_in_mailjet_is_not_put_back() -> None:
    contact = told({"city": "Rome"})
    wanted = make_field_map().desired(contact, Verdict.SUBSCRIBED)
    subscriber = Subscriber(1, properties=wanted, unsubscribed={})

    actions = make_plan(
        make_sides(contact, base=agreed(contact), subscriber=subscriber)
    )

    assert actions == ()


@pytest.mark.parametrize("leaves", [{}, {MAIN_LIST: ListAction.REMOVE}])
def test_a_new_address_inherits_and_the_old_one_leaves_our_lists(
    leaves: dict[int, ListAction],
) -> None:
    heir = make_inheritance(
        lists=(MAIN_LIST, 77), properties={"theirs": "yes"}, leaves=leaves
    )

    actions = make_plan(make_sides(told({"city": "Rome"}), inherits=heir))

    upsert = actions[0]
    assert isinstance(upsert, Upsert)
    assert upsert.properties["theirs"] == "yes"
    assert upsert.properties["city"] == "Rome"
    assert upsert.action is ListAction.ADD
    assert SetLists(join=(77,), leave=()) in actions
    assert (actions[-1] == Retire(99, leaves)) is bool(leaves)


@pytest.mark.parametrize("known", ["read", "paged"])
def test_an_old_address_never_overwrites_what_ghl_told_the_new_one(known: str) -> None:
    contact = told({"city": "Rome", "phone": ""})
    there = Subscriber(1, properties={"city": "Rome"}, unsubscribed={MAIN_LIST: False})
    sides = make_sides(
        contact,
        subscriber=there if known == "read" else None,
        seen=Fingerprint(KEY).subscriber(COLUMNS, there),
        inherits=make_inheritance(properties={"city": "Oslo", "phone": "42"}),
    )

    upsert = make_plan(sides)[0]

    assert isinstance(upsert, Upsert)
    assert upsert.properties["phone"] == "42"
    assert "city" not in upsert.properties


def test_a_new_address_does_not_inherit_the_list_of_a_tag_that_is_gone() -> None:
    heir = make_inheritance(lists=(MAIN_LIST, VIP_LIST, 77))

    without, unknown = (
        make_plan(make_sides(told({}, tags=tags), inherits=heir)) for tags in ([], None)
    )

    assert SetLists(join=(77,), leave=()) in without
    assert SetLists(join=(VIP_LIST, 77), leave=()) in unknown


def test_what_the_new_address_has_already_is_neither_overwritten_nor_joined() -> None:
    there = Subscriber(
        1, properties={"theirs": "pizza"}, unsubscribed={77: True, 78: False}
    )
    heir = make_inheritance(
        lists=(77, 78, 79), properties={"theirs": "ramen", "more": "tea"}
    )

    upsert, lists, _ = make_plan(make_sides(subscriber=there, inherits=heir))

    assert isinstance(upsert, Upsert)
    assert upsert.properties.get("theirs") is None
    assert upsert.properties["more"] == "tea"
    assert lists == SetLists(join=(79,), leave=())


@pytest.mark.parametrize("base", [None, "agreed"])
def test_who_left_a_tag_list_is_not_asked_to_join_it_again(base: str | None) -> None:
    contact = told({}, tags=["vip", "lead"])
    there = Subscriber(
        1,
        properties=make_field_map().desired(contact, Verdict.SUBSCRIBED),
        unsubscribed={MAIN_LIST: False, VIP_LIST: True},
    )
    remembered = agreed(contact) if base else None

    actions = make_plan(make_sides(contact, base=remembered, subscriber=there))

    assert actions == (SetLists(join=(LEAD_LIST,), leave=()),)


def test_a_change_of_somebody_off_the_list_touches_no_list() -> None:
    before, after = told({"city": "Rome"}), told({"city": "Oslo"})
    wanted = make_field_map().desired(before, Verdict.SUBSCRIBED)
    there = Subscriber(1, properties=wanted, unsubscribed={})

    actions = make_plan(make_sides(after, base=agreed(before), subscriber=there))

    assert actions == (Edit(None, {"city": "Oslo"}),)


def test_an_opted_out_address_hands_over_no_list() -> None:
    leaves = {VIP_LIST: ListAction.UNSUBSCRIBE}
    heir = make_inheritance(opted_out=True, leaves=leaves)

    actions = make_plan(make_sides(verdict=Verdict.OPTED_OUT, inherits=heir))

    assert actions[0] == Retire(99, leaves)
    assert actions[1] == Unsubscribe((MAIN_LIST, VIP_LIST, LEAD_LIST))
    assert not [action for action in actions if could_subscribe(action)]


AROUND = st.fixed_dictionaries(
    {},
    optional={
        "ghl_open_tasks": st.sampled_from(["", "0", "2"]),
        "ghl_next_task_title": st.sampled_from(["", "Call"]),
        "ghl_next_task_due": st.sampled_from(["", "2026-11-23T16:00:00Z"]),
    },
)
HELD = st.fixed_dictionaries(
    {},
    optional={
        "ghl_open_tasks": st.sampled_from([0, 2, 2.0, "2", 7]),
        "ghl_next_task_title": st.sampled_from(["", "Call", "Mail"]),
        "ghl_next_task_due": st.sampled_from(
            ["2026-11-23T16:00:00Z", "2026-11-23T17:00:00+01:00", 1795449600, "soon"]
        ),
        "city": st.just("Oslo"),
    },
)
FORMS = {2.0: 2, "2": 2, 1795449600: "2026-11-23T16:00:00Z"} | {
    "2026-11-23T17:00:00+01:00": "2026-11-23T16:00:00Z"
}


def wanting(values: dict[str, str], **fields: object) -> Sides:
    """Sides that differ in nothing but these columns."""
    contact = told({})
    wanted = make_field_map().desired(contact, Verdict.SUBSCRIBED)
    return make_sides(contact, **{"wanted": {**wanted, **values}, **fields})


def properties_of(sides: Sides) -> dict[str, object]:
    upserts = [one for one in make_plan(sides) if isinstance(one, Upsert | Edit)]
    return {name: value for one in upserts for name, value in one.properties.items()}


@given(values=AROUND, held=HELD)
@settings(max_examples=150)
def test_mailjet_comes_to_hold_what_is_around_a_contact_and_then_stays_as_it_is(
    values: dict[str, str], held: dict[str, object]
) -> None:
    sides = wanting(values, subscriber=Subscriber(1, properties=held))
    written = properties_of(sides)

    now = {k: v for k, v in {**held, **written}.items() if v not in (None, "")}
    for column, value in values.items():
        theirs = now.get(column, "")
        assert str(FORMS.get(theirs, theirs)) == value
    assert now.get("city") == held.get("city")
    again = wanting(values, subscriber=Subscriber(1, properties=now))
    assert not properties_of(again).keys() & values.keys()


def test_a_number_is_written_as_one_and_what_is_no_more_as_null() -> None:
    before = {"ghl_open_tasks": "1", "ghl_next_task_title": "Call"}
    after = {"ghl_open_tasks": "0", "ghl_next_task_title": ""}
    side = Fingerprint(KEY).wanted(COLUMNS, wanting(before).wanted)

    written = properties_of(wanting(after, base=make_snapshot(ghl=side, mailjet=side)))

    assert written == {"ghl_open_tasks": 0, "ghl_next_task_title": None}


@pytest.mark.parametrize("known", ["nothing", "read", "seen", "remembered"])
def test_what_mailjet_does_not_hold_is_not_cleared(known: str) -> None:
    nothing = {"ghl_next_task_title": "", "ghl_next_task_due": ""}
    side = Fingerprint(KEY).wanted(COLUMNS, wanting(nothing).wanted)
    sides: dict[str, dict[str, object]] = {
        "nothing": {},
        "read": {"subscriber": Subscriber(1, properties={})},
        "seen": {"base": make_snapshot(), "seen": side},
        "remembered": {"base": make_snapshot(ghl=side, mailjet=side)},
    }

    written = properties_of(wanting(nothing, **sides[known]))

    assert not written.keys() & nothing.keys()


def test_a_value_that_somebody_wrote_where_there_is_nothing_to_tell_is_cleared() -> (
    None
):
    nothing = {"ghl_next_task_title": ""}
    ours = Fingerprint(KEY).wanted(COLUMNS, wanting(nothing).wanted)
    theirs = Fingerprint(KEY).wanted(
        COLUMNS, {**wanting({}).wanted, "ghl_next_task_title": "hand-made"}
    )

    written = properties_of(
        wanting(nothing, base=make_snapshot(ghl=ours, mailjet=ours), seen=theirs)
    )

    assert written == {"ghl_next_task_title": None}


def test_a_new_address_does_not_inherit_what_is_around_the_contact_no_more() -> None:
    old = {"ghl_next_task_title": "Call", "ghl_note_count": 3, "theirs": "yes"}

    written = properties_of(
        wanting(
            {"ghl_next_task_title": "", "ghl_open_tasks": "0"},
            subscriber=Subscriber(0, properties={}),
            inherits=make_inheritance(properties=old),
        )
    )

    assert "ghl_next_task_title" not in written
    assert written["ghl_open_tasks"] == 0
    assert written["ghl_note_count"] == 3, "of notes nothing is known"
    assert written["theirs"] == "yes"


@given(sides=sides_of(st.sampled_from(Verdict)), bounced=st.booleans())
@settings(max_examples=60)
def test_nobody_is_subscribed_again_or_included_without_a_reason(
    sides: Sides, bounced: bool
) -> None:
    actions = make_plan(replace(sides, bounced=bounced))

    assert not [one for one in actions if isinstance(one, Resubscribe | Include)]


@given(
    sides=sides_of(st.sampled_from(Verdict)),
    reopens=st.booleans(),
    recovers=st.booleans(),
)
@settings(max_examples=100)
def test_only_a_recorded_opt_in_subscribes_again_and_only_who_is_not_closed(
    sides: Sides, reopens: bool, recovers: bool
) -> None:
    actions = make_plan(replace(sides, reopens=reopens, recovers=recovers))

    again = [one for one in actions if isinstance(one, Resubscribe)]
    included = [one for one in actions if isinstance(one, Include)]
    gone = (sides.subscriber and sides.subscriber.unsubscribed) or {}
    if again:
        assert reopens
        assert sides.verdict.is_open
        assert all(gone[list_id] for one in again for list_id in one.list_ids)
    if included:
        assert reopens or recovers
        assert sides.verdict.is_open
        assert sides.is_excluded


def test_a_list_of_a_tag_that_is_gone_is_not_subscribed_again() -> None:
    there = Subscriber(
        1, unsubscribed={MAIN_LIST: True, VIP_LIST: True, LEAD_LIST: True, 77: True}
    )

    actions = make_plan(
        make_sides(told({}, tags=["vip"]), subscriber=there, reopens=True)
    )

    assert actions[0] == Resubscribe((MAIN_LIST, VIP_LIST))


def test_the_word_that_overrides_an_opt_out_has_one_place_in_the_domain() -> None:
    sources = {
        path.name: path.read_text("utf-8")
        for path in Path(pipeline.sync.__file__).parent.glob("*.py")
    }

    spoken = [name for name, text in sources.items() if "addforce" in text]
    naming = [name for name, text in sources.items() if "ADD_AGAIN" in text]
    planning = [name for name, text in sources.items() if "Resubscribe(" in text]

    assert spoken == ["contact.py"]
    assert sorted(naming) == ["contact.py", "writer.py"]
    assert "ADD_AGAIN" in sources["writer.py"].partition("action: Resubscribe")[2]
    assert sources["writer.py"].count("ADD_AGAIN") == 1
    # `comparing` matches on what `diff` has planned.
    assert sorted(planning) == ["comparing.py", "diff.py"]
    assert sources["diff.py"].count("Resubscribe(") == 1
    assert "case Resubscribe(" in sources["comparing.py"]
    assert {str(action) for action in ListAction} == {
        "addnoforce",
        "unsub",
        "remove",
        "addforce",
    }


@given(
    sides=sides_of(CLOSED),
    bounced=st.booleans(),
    reason=st.sampled_from(Reason),
)
@settings(max_examples=100)
def test_of_a_no_mailjet_is_told_first_then_ghl_and_then_the_rest(
    sides: Sides, bounced: bool, reason: Reason
) -> None:
    back = (Block(reason, 5),)

    actions = make_plan(replace(sides, bounced=bounced, back=back))

    ranks = [rank(action) for action in actions]
    assert ranks == sorted(ranks)
    assert back[0] in actions
    assert {type(one) for one in actions if rank(one) == 3} <= {Upsert, Edit, Retire}


@given(sides=sides_of(CLOSED), bounced=st.booleans())
@settings(max_examples=100)
def test_one_of_a_mass_is_excluded_at_once_and_unsubscribed_once_it_is_confirmed(
    sides: Sides, bounced: bool
) -> None:
    sides = replace(sides, inherits=None, bounced=bounced)

    held = make_plan(replace(sides, held=True))
    confirmed = make_plan(sides)

    assert not [one for one in held if isinstance(one, Unsubscribe)]
    assert (Exclude() in held) is not sides.is_excluded
    assert not [one for one in held if could_subscribe(one)]
    assert not [
        one
        for one in held
        if isinstance(one, Upsert) and one.action is ListAction.UNSUBSCRIBE
    ]
    told = (sides.subscriber and sides.subscriber.unsubscribed) or {}
    everywhere = all(told.get(i) for i in (MAIN_LIST, VIP_LIST, LEAD_LIST))
    known = sides.base is not None and sides.base.opted_out
    is_done = everywhere if sides.subscriber is not None else known
    assert isinstance(confirmed[0], Unsubscribe) if confirmed and not is_done else True
    assert confirmed or is_done


def test_who_was_held_is_unsubscribed_by_the_next_plan_after_the_confirmation() -> None:
    base = make_snapshot(opted_out=True, held=True, excluded=True)
    closed = make_sides(verdict=Verdict.OPTED_OUT, base=base)

    held, confirmed = make_plan(replace(closed, held=True)), make_plan(closed)

    assert Exclude() not in held
    assert not [one for one in held if isinstance(one, Unsubscribe)]
    assert confirmed[0] == Unsubscribe((MAIN_LIST, VIP_LIST, LEAD_LIST))


@pytest.mark.parametrize("is_excluded", [True, False])
def test_who_bounces_is_excluded_and_stays_on_every_list(is_excluded: bool) -> None:
    there = Subscriber(1, excluded=is_excluded, unsubscribed={MAIN_LIST: False})

    actions = make_plan(make_sides(subscriber=there, bounced=True, exclude=True))

    assert (Exclude() in actions) is not is_excluded
    assert not [one for one in actions if isinstance(one, Unsubscribe | Include)]


def test_who_takes_mail_again_is_included_and_on_no_list_that_was_left() -> None:
    left = {MAIN_LIST: True, VIP_LIST: True}
    there = Subscriber(1, excluded=True, unsubscribed=left)

    actions = make_plan(make_sides(subscriber=there, recovers=True))

    assert actions[0] == Include()
    assert not [one for one in actions if isinstance(one, Resubscribe)]
