"""Two of one address at one moment; people whom Mailjet forgot; search that lags."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from pipeline.errors import PermanentError, Reach, Rejected, Unauthorized
from pipeline.permit import Lane
from pipeline.sync.contact import Subscriber
from tests.builders import (
    CORE_FIELDS,
    MAIN_LIST,
    VIP_LIST,
    make_field_map,
    make_policy,
    told,
)
from tests.integration.tiny_pipeline import TinyPipeline
from tests.tiny_vendors import TinyGhl, TinyMailjet

EMAIL = "ann@example.com"
NO = {"Email": {"status": "active"}}


class InterruptedMailjet(TinyMailjet):
    """Something happens after the next read of somebody's lists, or at a write."""

    meanwhile: Callable[[], None] | None = None
    at_a_write: Callable[[], None] | None = None

    def manage_contact(self, *args: Any, **fields: Any) -> Subscriber:
        happens, self.at_a_write = self.at_a_write, None
        if happens is not None:
            happens()
        return super().manage_contact(*args, **fields)

    def contact_lists(self, contact_id: int) -> Mapping[int, bool]:
        lists = super().contact_lists(contact_id)
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            happens()
        return lists


def someone(id_: str, added_ms: int, **fields: object):
    """A contact of the one address, told in full."""
    return told(
        {**dict.fromkeys(CORE_FIELDS, ""), "firstName": id_, "lastName": "Lee"},
        tags=[],
        id=id_,
        email=EMAIL,
        date_added_ms=added_ms,
        date_updated_ms=added_ms,
        **{"dnd": False, "dnd_settings": {}, **fields},
    )


@pytest.fixture
def tiny(redis) -> TinyPipeline:
    pipeline = TinyPipeline(redis, TinyGhl(), InterruptedMailjet(), make_policy())
    pipeline.forget()
    return pipeline


def test_a_no_that_came_while_another_was_planned_counts(tiny):
    tiny.ghl.contacts["ana"] = someone("ana", 2)
    tiny.sync("ana")
    tiny.ghl.contacts["bo"] = someone("bo", 1)

    def say_no() -> None:
        tiny.ghl.contacts["ana"] = someone("ana", 2, dnd_settings=NO)
        tiny.sync("ana")
        tiny.mailjet.sent.clear()

    tiny.mailjet.meanwhile = say_no
    tiny.sync("bo")

    held = tiny.mailjet.read(EMAIL).properties
    assert held["ghl_contact_id"] == "bo"
    assert held["ghl_email_status"] == "opted_out"
    assert {action for _, action in tiny.mailjet.sent} == {"unsub"}


def test_of_two_at_once_the_oldest_writes(tiny):
    tiny.mailjet.person(EMAIL)
    tiny.ghl.contacts |= {"ana": someone("ana", 1), "bo": someone("bo", 2)}
    tiny.mailjet.meanwhile = lambda: tiny.sync("ana")

    tiny.sync("bo")

    assert tiny.mailjet.read(EMAIL).name == "ana Lee"


def test_a_deletion_waits_for_whoever_is_writing_the_address(tiny):
    tiny.ghl.contacts["ana"] = someone("ana", 2)
    tiny.sync("ana")
    tiny.ghl.contacts = {"bo": someone("bo", 1)}
    # Search shows nobody yet.
    tiny.ghl.contacts_with_email = lambda email: ()

    def notice() -> None:
        tiny.ledger.mark(Lane.LIVE, ["ana"])
        [lease] = tiny.ledger.lease(1, max_out=10)
        tiny.run(lease)

    tiny.mailjet.at_a_write = notice
    tiny.sync("bo")

    assert tiny.ledger.backlog().contacts == 1
    assert tiny.mailjet.read(EMAIL).unsubscribed == {MAIN_LIST: False}


@pytest.mark.parametrize("is_live", [True, False])
def test_whom_mailjet_has_no_more_is_not_made_anew(tiny, is_live):
    tiny.ghl.contacts["ana"] = someone("ana", 1)
    tiny.sync("ana")
    tiny.mailjet.erase(EMAIL)
    contact = someone("ana", 1)
    tiny.ghl.contacts["ana"] = told(
        {**contact.values, "firstName": "Anna"},
        tags=["vip"],
        id="ana",
        email=EMAIL,
        date_added_ms=1,
        date_updated_ms=9,
    )

    for _ in range(2):
        tiny.sync("ana") if is_live else tiny.full_run()

    assert tiny.mailjet.people == {}


def test_the_old_address_that_mailjet_has_no_more_stops_nothing(tiny):
    tiny.ghl.contacts["ana"] = someone("ana", 1)
    tiny.sync("ana")
    tiny.mailjet.erase(EMAIL)
    tiny.ghl.contacts["ana"] = told({}, tags=[], id="ana", email="new@example.com")

    tiny.sync("ana")

    assert tiny.mailjet.read("new@example.com").unsubscribed == {MAIN_LIST: False}


def test_a_deletion_of_whom_mailjet_has_no_more_is_done(tiny):
    tiny.ghl.contacts["ana"] = someone("ana", 1)
    tiny.sync("ana")
    tiny.mailjet.erase(EMAIL)
    del tiny.ghl.contacts["ana"]

    tiny.sync("ana")

    assert tiny.ledger.backlog().contacts == 0


def test_an_older_contact_without_the_tag_leaves_the_list_of_a_younger(tiny):
    younger = someone("ana", 2)
    tiny.ghl.contacts["ana"] = replace(younger, tags=("vip",))
    tiny.full_run()
    joined = tiny.mailjet.read(EMAIL).unsubscribed
    tiny.ghl.contacts["bo"] = someone("bo", 1)

    tiny.full_run()

    assert joined == {MAIN_LIST: False, VIP_LIST: False}
    assert tiny.mailjet.read(EMAIL).unsubscribed == {MAIN_LIST: False}


def test_other_settings_do_not_bring_back_whom_mailjet_has_no_more(tiny):
    tiny.ghl.contacts["ana"] = someone("ana", 1)
    tiny.sync("ana")
    tiny.mailjet.erase(EMAIL)
    tiny.sync("ana")
    tiny.policy = make_policy(field_map=make_field_map(tag_lists={"vip": VIP_LIST}))

    tiny.full_run()

    assert tiny.mailjet.people == {}


def test_a_no_of_whom_mailjet_has_no_more_is_remembered(tiny):
    tiny.ghl.contacts["ana"] = someone("ana", 1)
    tiny.sync("ana")
    tiny.mailjet.erase(EMAIL)
    tiny.ghl.contacts["ana"] = someone("ana", 1, dnd_settings=NO)
    tiny.sync("ana")
    moved = replace(someone("ana", 1), email="new@example.com")
    tiny.ghl.contacts["ana"] = moved

    tiny.sync("ana")

    assert tiny.mailjet.read("new@example.com").unsubscribed[MAIN_LIST] is True


def test_an_old_address_that_somebody_subscribed_again_is_left_by_its_contact(tiny):
    tiny.ghl.contacts["ana"] = someone("ana", 1, dnd_settings=NO)
    tiny.sync("ana")
    [person] = tiny.mailjet.people.values()
    person.unsubscribed, person.excluded = {MAIN_LIST: False, 77: False}, False
    moved = replace(someone("ana", 1), email="new@example.com")
    tiny.ghl.contacts["ana"] = moved

    tiny.sync("ana")

    assert person.unsubscribed == {77: False}
    assert tiny.mailjet.read("new@example.com").unsubscribed[MAIN_LIST] is True


@pytest.mark.parametrize("email", ["new@example.com", ""])
def test_who_left_one_list_of_ours_leaves_all_with_an_old_address(tiny, email):
    tiny.ghl.contacts["ana"] = replace(someone("ana", 1), tags=("vip",))
    tiny.sync("ana")
    [person] = tiny.mailjet.people.values()
    person.unsubscribed[MAIN_LIST] = True
    tiny.ghl.contacts["ana"] = replace(someone("ana", 1), email=email)

    tiny.sync("ana")

    assert person.unsubscribed == {MAIN_LIST: True, VIP_LIST: True}


# GHL's search, asked before a deletion unsubscribes an address


class LaggingGhl(TinyGhl):
    """Its search shows what it is told to, or fails."""

    shown: tuple[str, ...] = ()
    error: PermanentError | None = None

    def contacts_with_email(self, email: str) -> tuple[str, ...]:
        if self.error is not None:
            raise self.error
        return self.shown


@pytest.fixture
def lagging(redis) -> TinyPipeline:
    """Ana and Bo of one address, of whom only Ana is known; and Ana is deleted."""
    pipeline = TinyPipeline(redis, LaggingGhl(), TinyMailjet(), make_policy())
    pipeline.forget()
    pipeline.ghl.contacts["ana"] = someone("ana", 1)
    pipeline.sync("ana")
    pipeline.ghl.contacts = {"bo": someone("bo", 2)}
    return pipeline


def is_mailed(pipeline: TinyPipeline) -> bool:
    lists = pipeline.mailjet.read(EMAIL).unsubscribed or {}
    return lists[MAIN_LIST] is False


def test_whom_search_shows_with_the_address_keeps_it(lagging):
    lagging.ghl.shown = ("ana", "bo")

    lagging.sync("ana")

    assert is_mailed(lagging)
    assert lagging.mailjet.read(EMAIL).name == "bo Lee"


@pytest.mark.parametrize("shown", [("ana",), ("cy",), ("di",)])
def test_whom_search_shows_wrongly_keeps_nothing(lagging, shown):
    lagging.ghl.contacts = {"di": replace(someone("di", 3), email="di@example.com")}
    lagging.ghl.shown = shown

    lagging.sync("ana")

    assert not is_mailed(lagging)


def test_whom_we_remember_with_the_address_keeps_it_though_search_is_late(lagging):
    lagging.sync("bo")

    lagging.sync("ana")

    assert is_mailed(lagging)


def test_a_search_that_refuses_the_question_does_not_stop_the_deletion(lagging):
    lagging.ghl.error = Rejected("ghl", "POST /contacts/search", 400, "Invalid field")

    lagging.sync("ana")

    assert not is_mailed(lagging)


def test_a_search_that_refuses_us_decides_nothing(lagging):
    lagging.ghl.error = Unauthorized(
        "ghl", "POST /contacts/search", 401, reach=Reach.CONNECTION
    )

    with pytest.raises(Unauthorized):
        lagging.sync("ana")

    assert is_mailed(lagging)
