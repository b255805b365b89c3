from collections.abc import Callable

import pytest

from pipeline.errors import BadPayload, NotFound, Reach, Rejected
from pipeline.mailjet.client import MailjetClient
from pipeline.mailjet.records import ContactsList, Property, Recipient, User
from pipeline.sync.contact import ListAction, Subscriber
from tests.recorded import RecordedVendor, Recording, recording, sample


def make_client(*answers: Recording) -> tuple[MailjetClient, RecordedVendor]:
    vendor = RecordedVendor("mailjet", *answers)
    return MailjetClient(vendor.session), vendor


@pytest.mark.parametrize("shape", ["bare", "envelope"])
def test_one_call_upserts_a_contact_whatever_shape_the_answer_has(shape: str) -> None:
    client, vendor = make_client(sample(f"mailjet/manage_contact_{shape}"))

    subscriber = client.manage_contact(
        12,
        "ada@example.com",
        ListAction.ADD,
        name="Ada Example",
        properties={"firstname": "Ada"},
    )

    assert (vendor.sent[0].method, vendor.sent[0].path) == (
        "POST",
        "/v3/REST/contactslist/12/managecontact",
    )
    assert vendor.sent[0].body == {
        "Email": "ada@example.com",
        "Action": "addnoforce",
        "Name": "Ada Example",
        "Properties": {"firstname": "Ada"},
    }
    assert subscriber == Subscriber(
        1847520101,
        "ada@example.com",
        name="Ada Example",
        properties={"firstname": "Ada", "ghl_open_tasks": 3},
    )


def test_an_upsert_leaves_out_what_it_does_not_change() -> None:
    client, vendor = make_client(sample("mailjet/manage_contact_bare"))

    client.manage_contact(12, "ada@example.com", ListAction.UNSUBSCRIBE)

    assert vendor.sent[0].body == {"Email": "ada@example.com", "Action": "unsub"}


def test_an_upsert_never_subscribes_again() -> None:
    client, vendor = make_client(recording(None, 201))

    with pytest.raises(ValueError, match="never subscribes again"):
        client.manage_contact(12, "ada@example.com", ListAction.ADD_AGAIN)

    assert vendor.sent == []


@pytest.mark.parametrize(
    "body", [[], {"Data": []}, {"Data": {}}, "null", ["x"], [{"ContactID": "ada"}]]
)
def test_an_upsert_without_a_contact_in_its_answer_is_a_bad_payload(
    body: object,
) -> None:
    client, _ = make_client(recording(body, 201))

    with pytest.raises(BadPayload, match="not as documented"):
        client.manage_contact(12, "ada@example.com", ListAction.ADD)


def test_a_list_that_is_gone_stops_the_connection() -> None:
    client, _ = make_client(sample("mailjet/404_object_not_found"))

    with pytest.raises(NotFound) as raised:
        client.manage_contact(12, "ada@example.com", ListAction.ADD)

    assert raised.value.reach is Reach.CONNECTION


def test_several_lists_change_in_one_call() -> None:
    client, vendor = make_client(sample("mailjet/manage_lists"))

    client.manage_lists(7, {12: ListAction.UNSUBSCRIBE, 13: ListAction.ADD})

    assert vendor.sent[0].path == "/v3/REST/contact/7/managecontactslists"
    assert vendor.sent[0].body == {
        "ContactsLists": [
            {"ListID": 12, "Action": "unsub"},
            {"ListID": 13, "Action": "addnoforce"},
        ]
    }


def test_a_contacts_lists_tell_where_it_is_unsubscribed() -> None:
    client, vendor = make_client(sample("mailjet/contact_lists"))

    assert client.contact_lists(7) == {12: False, 13: True}
    assert vendor.sent[0].path == "/v3/REST/contact/7/getcontactslists"
    assert vendor.sent[0].query == {"Limit": "1000"}


def test_an_unreadable_membership_fails_instead_of_looking_subscribed() -> None:
    client, _ = make_client(recording([{"ListID": 12, "IsUnsub": None}]))

    with pytest.raises(BadPayload, match="IsUnsub"):
        client.contact_lists(7)


def test_contacts_are_listed_without_the_anonymised() -> None:
    client, vendor = make_client(sample("mailjet/list_contacts"))

    page = client.list_contacts(2000)

    assert page.subscribers == (
        Subscriber(1, "ada@example.com", name="Ada Example", excluded=False),
        Subscriber(2, "ben@example.org", name="", excluded=True, complained=True),
    )
    assert page.bad_rows == ("4", "")
    assert page.next_offset is None
    assert vendor.sent[0].query == {"Limit": "1000", "Offset": "2000"}


def test_the_anonymised_count_for_the_offset() -> None:
    rows = [{"ID": n, "Email": f"\\x{n}@domain.invalid"} for n in range(1000)]
    client, _ = make_client(recording({"Data": rows}))

    page = client.list_contacts(500)

    assert page.subscribers == ()
    assert page.next_offset == 1500


@pytest.mark.parametrize(("excluded", "word"), [(True, "true"), (False, "false")])
def test_only_the_excluded_can_be_listed(excluded: bool, word: str) -> None:
    client, vendor = make_client(sample("mailjet/list_contacts"))

    client.list_contacts(0, excluded=excluded)

    assert vendor.sent[0].query["IsExcludedFromCampaigns"] == word


def test_records_are_counted_without_being_read() -> None:
    client, vendor = make_client(recording({"Count": 7, "Data": [], "Total": 7}))

    assert client.count("listrecipient", Unsub=True) == 7
    assert vendor.sent[0].query == {"countOnly": "1", "Unsub": "true"}


def test_the_size_of_a_page_is_not_taken_for_the_number_of_records() -> None:
    client, _ = make_client(recording({"Count": 1, "Data": [{"ID": 1}], "Total": 1}))

    with pytest.raises(BadPayload):
        client.count("contact")


@pytest.mark.parametrize("key", [2, "ben@example.org"])
def test_a_contact_is_read_by_number_or_address(key: int | str) -> None:
    client, vendor = make_client(sample("mailjet/get_contact"))

    subscriber = client.get_contact(key)

    assert vendor.sent[0].path == f"/v3/REST/contact/{key}"
    assert subscriber == Subscriber(2, "ben@example.org", name="Ben", excluded=True)


def test_an_update_that_changes_nothing_is_a_success() -> None:
    client, vendor = make_client(sample("mailjet/update_contact_304"))

    client.update_contact(7, excluded=True)

    assert (vendor.sent[0].method, vendor.sent[0].path) == (
        "PUT",
        "/v3/REST/contact/7",
    )
    assert vendor.sent[0].body == {"IsExcludedFromCampaigns": True}


def test_an_update_can_name_and_include_a_contact() -> None:
    client, vendor = make_client(sample("mailjet/get_contact"))

    client.update_contact(7, name="", excluded=False)

    assert vendor.sent[0].body == {"Name": "", "IsExcludedFromCampaigns": False}


def test_properties_are_read_by_lower_case_name() -> None:
    client, vendor = make_client(sample("mailjet/contact_data"))

    assert client.contact_data(1) == {"firstname": "Ada", "ghl_open_tasks": 3}
    assert vendor.sent[0].path == "/v3/REST/contactdata/1"


def test_a_contact_without_properties_has_none() -> None:
    client, _ = make_client(sample("mailjet/contact_data_none"))

    assert client.contact_data(1) == {}


def test_properties_are_written_as_pairs() -> None:
    client, vendor = make_client(sample("mailjet/update_contact_304"))

    client.update_contact_data(1, {"firstname": "Ada"})

    assert (vendor.sent[0].method, vendor.sent[0].path) == (
        "PUT",
        "/v3/REST/contactdata/1",
    )
    assert vendor.sent[0].body == {"Data": [{"Name": "firstname", "Value": "Ada"}]}


def test_a_property_that_is_not_defined_stops_the_connection() -> None:
    client, _ = make_client(sample("mailjet/400_invalid_key_name"))

    with pytest.raises(Rejected) as raised:
        client.update_contact_data(1, {"ghl_tags": "|vip|"})

    assert raised.value.reach is Reach.CONNECTION


def test_properties_of_many_are_read_in_pages() -> None:
    client, vendor = make_client(sample("mailjet/list_contact_data"))

    page = client.list_contact_data(1000, fields=["firstname", "ghl_tags"])

    assert page.subscribers == (
        Subscriber(1, properties={"firstname": "Ada"}),
        Subscriber(2, properties={}),
    )
    assert page.bad_rows == ("3",)
    assert vendor.sent[0].query == {
        "Limit": "1000",
        "Offset": "1000",
        "Fields": "firstname,ghl_tags",
    }


def test_definitions_of_properties_are_lower_cased() -> None:
    client, _ = make_client(sample("mailjet/list_properties"))

    assert client.list_properties() == (
        Property(11, "firstname", "str", "static"),
        Property(12, "ghl_note", "str", "historic"),
    )


def test_a_property_is_defined_by_name_type_and_namespace() -> None:
    client, vendor = make_client(sample("mailjet/create_property"))

    created = client.create_property("ghl_tags", "str")

    assert created == Property(13, "ghl_tags", "str", "static")
    assert vendor.sent[0].body == {
        "Name": "ghl_tags",
        "Datatype": "str",
        "NameSpace": "static",
    }


def test_lists_are_listed_with_the_deleted_marked() -> None:
    client, _ = make_client(sample("mailjet/list_lists"))

    assert client.list_lists() == (
        ContactsList(12, "Customers", False, 31),
        ContactsList(14, "Old", True, 0),
    )


def test_an_answer_may_say_null_where_it_knows_nothing() -> None:
    nothing = {"IsDeleted": None, "SubscriberCount": None, "WarnedRatelimitAt": None}
    row = recording({"Data": [{"ID": 12, "Name": "Customers", **nothing}]})
    client, _ = make_client(row, row)

    assert client.get_list(12) == ContactsList(12, "Customers", False, None)
    assert client.get_user() == User(12, "")


def lists(first: int, count: int) -> Recording:
    rows = [{"ID": first + n, "Name": f"list {first + n}"} for n in range(count)]
    return recording({"Data": rows})


def test_lists_are_read_to_the_last_page() -> None:
    client, vendor = make_client(lists(1, 1000), lists(1001, 1))

    assert len(client.list_lists()) == 1001
    assert [sent.query["Offset"] for sent in vendor.sent] == ["0", "1000"]


@pytest.mark.parametrize(
    "answers",
    [
        lambda: (lists(1, 1000), lists(1, 1000)),
        lambda: (recording({"Data": [{"ID": 1, "Name": "a"}, {"ID": 2}]}),),
    ],
    ids=["a page repeats", "a row cannot be read"],
)
def test_half_of_the_lists_is_no_base_to_decide_on(
    answers: Callable[[], tuple[Recording, ...]],
) -> None:
    client, _ = make_client(*answers())

    with pytest.raises(BadPayload) as raised:
        client.list_lists()

    assert raised.value.reach is Reach.CONNECTION


def test_one_list_is_read_and_created_by_its_own_calls() -> None:
    client, vendor = make_client(sample("mailjet/get_list"), sample("mailjet/get_list"))

    found = client.get_list(12)
    created = client.create_list("Customers")

    assert found == created == ContactsList(12, "Customers", False, 31)
    assert [(sent.method, sent.path, sent.body) for sent in vendor.sent] == [
        ("GET", "/v3/REST/contactslist/12", None),
        ("POST", "/v3/REST/contactslist", {"Name": "Customers"}),
    ]


def test_recipients_without_a_readable_opt_out_are_set_apart() -> None:
    client, vendor = make_client(sample("mailjet/list_recipients"))

    page = client.list_recipients(0, list_id=12, unsubscribed=True)

    assert page.recipients == (
        Recipient(901, 1, 12, True, unsubscribed_ms=1_777_691_045_000),
        Recipient(902, 2, 12, False),
    )
    assert page.bad_rows == ("903",)
    assert vendor.sent[0].query == {
        "Limit": "1000",
        "Offset": "0",
        "ContactsList": "12",
        "Unsub": "true",
    }


def test_the_user_is_a_number_and_no_person() -> None:
    client, _ = make_client(sample("mailjet/get_user"))

    assert client.get_user() == User(77, "2026-10-01T00:00:00Z")
