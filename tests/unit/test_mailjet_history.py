import pytest

from pipeline.errors import BadPayload, Reach, Rejected
from pipeline.mailjet.client import MailjetClient
from pipeline.sync.activity import HistoryEntry
from tests.recorded import RecordedVendor, Recording, recording, sample

CONTACT = 1847520101
OCTOBER_MS = 1790841600000


def make_client(*answers: Recording) -> tuple[MailjetClient, RecordedVendor]:
    vendor = RecordedVendor("mailjet", *answers)
    return MailjetClient(vendor.session), vendor


def test_entries_of_the_whole_account_are_read_in_pages() -> None:
    client, vendor = make_client(sample("mailjet/list_history"))

    page = client.list_history(1000)

    assert (vendor.sent[0].method, vendor.sent[0].path) == (
        "GET",
        "/v3/REST/contacthistorydata",
    )
    assert vendor.sent[0].query == {"Limit": "1000", "Offset": "1000"}
    assert page.entries == (
        HistoryEntry(5000001, CONTACT, "note", "Wants a call", OCTOBER_MS),
        HistoryEntry(5000002, CONTACT, "ghl_task", '{"id": "broken', None),
        HistoryEntry(5000003, CONTACT + 1, "score", "7", OCTOBER_MS),
    )
    assert page.bad_rows == ("5000004", "5000005")
    assert page.next_offset is None


def test_entries_are_filtered_by_property_contact_and_time() -> None:
    client, vendor = make_client(sample("mailjet/list_history"))

    client.list_history(
        0, name="note", contact_id=CONTACT, created_from_ms=OCTOBER_MS + 999
    )

    assert vendor.sent[0].query == {
        "Limit": "1000",
        "Offset": "0",
        "Name": "note",
        "Contact": str(CONTACT),
        "MinCreatedAt": "2026-10-01T08:00:00Z",
    }


def test_a_full_page_goes_on() -> None:
    row = {"ID": 1, "ContactID": 2, "Name": "note", "Data": ""}
    client, _ = make_client(recording({"Data": [row] * 1000}))

    assert client.list_history(2000).next_offset == 3000


@pytest.mark.parametrize(
    "created",
    [None, "", "soon", [], True, -5, 10**30, float("nan"), "0001-01-01T00:00:00Z"],
)
def test_an_entry_without_a_usable_time_is_an_entry(created: object) -> None:
    row = {"ID": 1, "ContactID": 2, "Name": "note", "Data": "x", "CreatedAt": created}
    client, _ = make_client(recording({"Data": [row]}))

    [entry] = client.list_history(0).entries

    assert entry.created_ms is None


def test_half_of_an_emoji_becomes_a_character_that_can_be_stored() -> None:
    row = {"ID": 1, "ContactID": 2, "Name": "note", "Data": "cut \ud83d"}
    client, _ = make_client(recording({"Data": [row]}))

    assert client.list_history(0).entries[0].data == "cut \ufffd"


def test_an_entry_is_added() -> None:
    client, vendor = make_client(sample("mailjet/create_history"))

    entry = client.create_history(CONTACT, "ghl_task", "{}")

    assert (vendor.sent[0].method, vendor.sent[0].path) == (
        "POST",
        "/v3/REST/contacthistorydata",
    )
    assert vendor.sent[0].body == {
        "ContactID": CONTACT,
        "Name": "ghl_task",
        "Data": "{}",
    }
    assert entry == HistoryEntry(5000006, CONTACT, "ghl_task", "{}", OCTOBER_MS + 5000)


def test_a_property_that_is_not_defined_stops_the_connection() -> None:
    client, _ = make_client(sample("mailjet/400_invalid_key_name"))

    with pytest.raises(Rejected) as raised:
        client.create_history(CONTACT, "ghl_task", "{}")

    assert raised.value.reach is Reach.CONNECTION


def test_an_account_without_historic_properties_refuses_one() -> None:
    client, vendor = make_client(sample("mailjet/400_no_historic_namespace"))

    with pytest.raises(Rejected, match="NameSpace"):
        client.create_property("ghl_task", "str", "historic")

    assert vendor.sent[0].body["NameSpace"] == "historic"


def test_an_answer_without_the_entry_is_a_bad_payload() -> None:
    client, _ = make_client(recording({"Data": []}, 201))

    with pytest.raises(BadPayload):
        client.create_history(CONTACT, "ghl_task", "{}")


def test_the_text_of_an_entry_is_not_shown_by_its_record() -> None:
    assert "secret" not in repr(HistoryEntry(1, 2, "note", "secret", None))
