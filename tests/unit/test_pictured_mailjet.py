"""The picture of Mailjet answers as Mailjet would, whatever was planned before."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import NotFound
from pipeline.mailjet.client import MailjetClient
from pipeline.planning.pictured_mailjet import PicturedMailjet
from pipeline.sync.contact import ListAction
from tests.tiny_vendors import TinyMailjet

EMAILS = ("ann@example.com", "bob@example.com")
LISTS = (10, 20)
VALUES = st.sampled_from(["Porto", "", None, 3])
ACTIONS = st.sampled_from(ListAction)

upserts = st.tuples(
    st.just("manage_contact"),
    st.sampled_from(EMAILS),
    st.fixed_dictionaries(
        {
            "list_id": st.sampled_from(LISTS),
            "action": ACTIONS,
            "name": st.sampled_from([None, "Ann"]),
            "properties": st.dictionaries(st.just("city"), VALUES),
        }
    ),
)
edits = st.tuples(
    st.sampled_from(["update_contact_data", "update_contact", "manage_lists"]),
    st.sampled_from(EMAILS),
    st.fixed_dictionaries(
        {
            "properties": st.dictionaries(st.just("city"), VALUES),
            "name": st.sampled_from([None, "Bob"]),
            "excluded": st.sampled_from([None, True, False]),
            "actions": st.dictionaries(st.sampled_from(LISTS), ACTIONS),
        }
    ),
)
NAMED = {
    "update_contact_data": ("properties",),
    "update_contact": ("name", "excluded"),
    "manage_lists": ("actions",),
}


def write(mailjet: Any, method: str, email: str, facts: dict[str, Any]) -> None:
    if method == "manage_contact":
        mailjet.manage_contact(email=email, **facts)
        return
    own = {name: facts[name] for name in NAMED[method]}
    getattr(mailjet, method)(mailjet.get_contact(email).contact_id, **own)


def read(mailjet: Any, email: str) -> object:
    try:
        one = mailjet.get_contact(email)
    except NotFound:
        return None
    held = dict(mailjet.contact_data(one.contact_id))
    lists = dict(mailjet.contact_lists(one.contact_id))
    return one.email, one.name, bool(one.excluded), held, lists


def pictured(mailjet: TinyMailjet) -> PicturedMailjet:
    """Nobody else was there when it was taken."""
    picture = PicturedMailjet(cast("MailjetClient", mailjet))
    picture.is_whole = True
    return picture


@given(st.lists(st.one_of(upserts, edits), max_size=8))
def test_it_holds_what_mailjet_would_hold(
    steps: list[tuple[str, str, dict[str, Any]]],
) -> None:
    vendor, untouched = TinyMailjet(), TinyMailjet()
    picture = pictured(untouched)
    for method, email, facts in steps:
        if method != "manage_contact" and read(vendor, email) is None:
            continue
        write(vendor, method, email, facts)
        write(picture, method, email, facts)

    assert [read(picture, email) for email in EMAILS] == [
        read(vendor, email) for email in EMAILS
    ]
    assert untouched.writes == 0


def test_somebody_who_was_not_read_is_read_once() -> None:
    vendor = TinyMailjet()
    vendor.person(EMAILS[0], properties={"city": "Porto"}, unsubscribed={10: True})
    picture = PicturedMailjet(cast("MailjetClient", vendor))

    first = read(picture, EMAILS[0])
    vendor.people.clear()

    assert read(picture, EMAILS[0]) == first
    with pytest.raises(NotFound):
        picture.get_contact(EMAILS[1])
