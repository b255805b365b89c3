"""Webhooks of GHL's: who signed them, and what they say."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.ghl.client import GhlClient
from pipeline.ghl.webhooks import (
    EVENTS,
    GhlEvent,
    WebhookKeys,
    find_task,
    parse,
    parse_workflow,
    verify,
)
from pipeline.permit import Lane
from tests.recorded import RecordedVendor, Recording, recording, sample

LOCATION, CONTACT, ITEM = "loc9EPM428h8vShlRW1K", "con0wQEsNgz6AVpgLVUJ", "item8h8vShl"
HOOK = "1a533f85-7a11-4b1e-9c5e-0d1f2a3b4c5d"
BODY = b'{"type": "ContactUpdate",\n "id":"caf\xc3\xa9"}'
NEW, OLD = "X-GHL-Signature", "X-WH-Signature"
SIGNER, LEGACY = Ed25519PrivateKey.generate(), generate_private_key(65537, 2048)
FORMATS = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
PEM = SIGNER.public_key().public_bytes(*FORMATS).decode()
LEGACY_PEM = LEGACY.public_key().public_bytes(*FORMATS).decode()
KEYS = WebhookKeys.load(PEM)
BOTH = WebhookKeys.load(PEM, LEGACY_PEM)


def signed(body: bytes = BODY) -> str:
    return b64encode(SIGNER.sign(body)).decode()


def signed_as_of_old(body: bytes = BODY) -> str:
    return b64encode(LEGACY.sign(body, PKCS1v15(), SHA256())).decode()


def posted(kind: str, **changes: Any) -> dict[str, Any]:
    """A webhook as GHL documents it, with what every delivery has on top."""
    whole: dict[str, Any] = {
        "type": kind,
        "locationId": LOCATION,
        "timestamp": "2026-10-02T07:10:28.123Z",
        "webhookId": HOOK,
        "appId": "app-1",
    }
    if kind.startswith("Appointment"):
        # The examples of Update and Delete say Create as well.
        whole["type"] = "AppointmentCreate"
        whole["appointment"] = {
            "id": ITEM,
            "title": "Fitting",
            "contactId": CONTACT,
            "appointmentStatus": "confirmed",
            "startTime": "2026-10-09T16:00:00+02:00",
        }
    elif kind.startswith("Contact"):
        whole |= {"id": CONTACT, "email": "Ada@Example.com", "dnd": False, "tags": []}
    else:
        whole |= {"id": ITEM, "contactId": CONTACT, "body": "words", "title": "Call"}
    return {**whole, **changes}


def parsed(body: object) -> GhlEvent:
    event = parse(body)
    assert event is not None
    return event


@pytest.mark.parametrize("header", [NEW, NEW.lower(), NEW.upper()])
def test_a_signature_of_the_bytes_as_they_came_is_genuine(header: str) -> None:
    assert verify(BODY, {header: signed()}, KEYS)


@pytest.mark.parametrize(
    "body",
    [b"", BODY[:-1], BODY + b"\n", b'{"type":"ContactUpdate","id":"caf\xc3\xa9"}'],
)
def test_any_other_bytes_are_not(body: bytes) -> None:
    assert not verify(body, {NEW: signed()}, KEYS)


@pytest.mark.parametrize(
    "value",
    [
        "N/A",
        "",
        " ",
        "N/A==",
        "no base64!",
        pytest.param(signed()[:-4], id="cut short"),
        "A" * 88,
        "é" * 20,
        "\ud800",
    ],
)
def test_what_is_no_signature_is_refused_whatever_stands_beside_it(value: str) -> None:
    assert not verify(BODY, {NEW: value}, BOTH)
    assert not verify(BODY, {NEW: value, OLD: signed_as_of_old()}, BOTH)


def test_a_body_without_a_signature_is_refused() -> None:
    assert not verify(BODY, {"Content-Type": "application/json"}, BOTH)


def test_the_old_signature_counts_only_where_it_is_switched_on() -> None:
    headers = {OLD: signed_as_of_old()}

    assert verify(BODY, headers, BOTH)
    assert not verify(BODY, headers, KEYS)
    assert not verify(BODY + b" ", headers, BOTH)
    assert not verify(BODY, {OLD: "N/A"}, BOTH)


def test_an_ed25519_signature_in_the_old_header_is_none() -> None:
    assert not verify(BODY, {OLD: signed()}, BOTH)


class Pairs:
    """Headers that hold a name twice, as a request may."""

    def __init__(self, *values: str) -> None:
        self.values = values

    def items(self) -> list[tuple[str, str]]:
        return [(NEW, value) for value in self.values]


@pytest.mark.parametrize("values", [("N/A", signed()), (signed(), "N/A")])
def test_two_signatures_are_none(values: tuple[str, ...]) -> None:
    assert not verify(BODY, Pairs(*values), BOTH)


@pytest.mark.parametrize("legacy", [None, "", LEGACY_PEM])
def test_the_documented_keys_are_there_without_a_setting(legacy: str | None) -> None:
    keys = WebhookKeys.load("", legacy)

    raw = keys.public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert raw.hex() == (
        "8b61d1d6cacbe28d7c3bc0516bb815258ec6edbba96cddc7f40c09ac708388e8"
    )
    assert (keys.legacy is None) is (legacy is None)
    if legacy == "":
        assert keys.legacy is not None
        assert keys.legacy.key_size == 4096


@pytest.mark.parametrize(
    "written",
    [
        PEM,
        PEM.replace("\n", "\\n"),
        f"  {PEM}\n\n",
        "".join(PEM.splitlines()[1:-1]),
        "\n".join(PEM.splitlines()[1:-1]),
    ],
    ids=["PEM", "in one line", "in white space", "its inside", "its inside in lines"],
)
def test_a_key_may_be_written_as_pem_or_as_what_is_inside_it(written: str) -> None:
    assert verify(BODY, {NEW: signed()}, WebhookKeys.load(written))


@pytest.mark.parametrize(
    "wrong", ["rubbish-key", LEGACY_PEM, "-----BEGIN x", "\ud800", "AAAA"]
)
def test_a_key_that_cannot_be_used_is_named_and_not_shown(wrong: str) -> None:
    with pytest.raises(ConfigError) as raised:
        WebhookKeys.load(wrong, PEM)

    new, old = raised.value.problems
    assert new.startswith("GHL_WEBHOOK_PUBLIC_KEY: ")
    assert old.startswith("GHL_WEBHOOK_LEGACY_KEY: ")
    assert wrong not in new + old
    assert PEM.splitlines()[1] not in new + old


LANES = {
    "ContactCreate": (Lane.LIVE, ""),
    "ContactUpdate": (Lane.LIVE, ""),
    "ContactDelete": (Lane.LIVE, ""),
    "ContactTagUpdate": (Lane.LIVE, ""),
    "ContactDndUpdate": (Lane.CONSENT, ""),
    "NoteCreate": (Lane.LIVE, "n"),
    "NoteUpdate": (Lane.LIVE, "n"),
    "NoteDelete": (Lane.LIVE, "n"),
    "TaskCreate": (Lane.LIVE, "t"),
    "TaskComplete": (Lane.LIVE, "t"),
    "TaskDelete": (Lane.LIVE, "t"),
    "AppointmentCreate": (Lane.LIVE, "a"),
    "AppointmentUpdate": (Lane.LIVE, "a"),
    "AppointmentDelete": (Lane.LIVE, "a"),
}


@pytest.mark.parametrize("kind", EVENTS)
def test_each_event_points_at_a_contact_in_its_lane(kind: str) -> None:
    event = parsed(posted(kind))

    assert (event.lane, event.kinds) == LANES[kind]
    assert (event.location_id, event.contact_id) == (LOCATION, CONTACT)
    assert event.item_id == ("" if kind.startswith("Contact") else ITEM)
    assert event.at_ms == 1_790_925_028_123
    assert event.webhook_id == HOOK
    assert event.title == ("Call" if kind.startswith("Task") else "")


def test_every_event_of_the_table_is_told_of_here() -> None:
    assert set(EVENTS) == set(LANES)


@pytest.mark.parametrize("kind", EVENTS)
def test_a_body_wrapped_in_data_is_the_same(kind: str) -> None:
    flat = posted(kind)
    outer = {key: flat.pop(key) for key in ("timestamp", "webhookId")}

    assert parse({**outer, "data": flat}) == parse(posted(kind))
    assert parse({"data": posted(kind)}) == parse(posted(kind))


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "ContactUpdate",
        {},
        {"type": "INSTALL", "locationId": LOCATION},
        {"type": ["ContactUpdate"]},
        posted("ContactUpdate", locationId=None),
        posted("ContactUpdate", id="has a space"),
        posted("ContactUpdate", id="x" * 65),
        posted("ContactUpdate", id={"id": CONTACT}),
        posted("NoteCreate", contactId=None),
        posted("AppointmentCreate", appointment=None),
        posted("AppointmentCreate", appointment={"id": ITEM}),
        posted("TaskCreate", contactId=None, id=None),
        {"data": [posted("ContactUpdate")]},
    ],
)
def test_what_names_nothing_to_look_at_is_no_event(body: object) -> None:
    assert parse(body) is None


def test_a_task_without_its_contact_can_still_be_found() -> None:
    body = posted("TaskCreate")
    del body["contactId"], body["body"]

    event = parsed(body)

    assert (event.contact_id, event.item_id, event.title) == ("", ITEM, "Call")


@pytest.mark.parametrize("moment", [None, "", "soon", -1, float("nan"), 10**40, []])
def test_a_time_that_is_none_is_unknown(moment: Any) -> None:
    assert parsed(posted("ContactUpdate", timestamp=moment)).at_ms is None


@pytest.mark.parametrize(
    ("dnd", "channels", "opted_out"),
    [
        (True, {"Email": {"status": "inactive"}}, True),
        ("true", None, True),
        (False, {"Email": {"status": "active", "code": "101"}}, True),
        (False, {"email": {"status": "permanent"}}, True),
        (False, {"Email": {"status": "inactive"}, "SMS": {"status": "active"}}, False),
        (False, {"SMS": {"status": "active"}}, False),
        (False, {}, False),
        (False, None, None),
        (None, None, None),
        (False, "active", None),
        (False, {"Email": None}, None),
        (False, {"Email": {"status": ["active"]}}, True),
        (False, {"Email": {"status": "active", "code": "mailjet-bounced"}}, None),
    ],
)
def test_a_dnd_event_tells_whether_ghl_says_no(
    dnd: Any, channels: Any, opted_out: bool | None
) -> None:
    body = posted("ContactDndUpdate", dnd=dnd, dndSettings=channels)

    assert parsed(body).opted_out is opted_out


@pytest.mark.parametrize("code", ["mailjet-unsubscribed", "ghl-mailjet-shared"])
def test_our_own_dnd_that_comes_back_says_nothing(code: str) -> None:
    ours = {"Email": {"status": "active", "message": "", "code": code}}

    echo = parsed(posted("ContactDndUpdate", dnd=False, dndSettings=ours))
    with_all = parsed(posted("ContactDndUpdate", dnd=True, dndSettings=ours))

    assert (echo.opted_out, with_all.opted_out) == (None, True)


def test_no_other_event_tells_of_consent() -> None:
    body = posted(
        "ContactUpdate", dnd=True, dndSettings={"Email": {"status": "active"}}
    )

    assert parsed(body).opted_out is None


def test_a_tasks_title_is_not_in_the_printed_event() -> None:
    assert "Call" not in repr(parsed(posted("TaskCreate")))


def make_ghl(*answers: Recording) -> tuple[GhlClient, RecordedVendor]:
    vendor = RecordedVendor("ghl", *answers)
    return GhlClient(vendor.session, LOCATION), vendor


def task_row(number: int, **more: Any) -> Mapping[str, Any]:
    return {
        "_id": f"task{number}",
        "title": "Call",
        "contactId": f"contact{number}",
        "searchAfter": [number, f"task{number}"],
        **more,
    }


UNFOUND = parsed(posted("TaskCreate", contactId=None))


def test_a_task_is_found_by_its_title_and_known_by_its_id() -> None:
    rows = [task_row(1), task_row(2, _id=ITEM, contactId=CONTACT)]
    ghl, vendor = make_ghl(recording({"tasks": rows}, 201))

    assert find_task(ghl, UNFOUND) == CONTACT
    [sent] = vendor.sent
    assert sent.path == f"/locations/{LOCATION}/tasks/search"
    assert sent.body == {"limit": 500, "query": "Call"}


def test_a_task_that_was_deleted_since_is_found_too() -> None:
    row = task_row(1, _id=ITEM, contactId=CONTACT, deleted=True)
    ghl, _ = make_ghl(recording({"tasks": [row]}, 201))

    assert find_task(ghl, UNFOUND) == CONTACT


def test_a_task_is_looked_for_on_three_pages() -> None:
    pages = [
        recording({"tasks": [task_row(n) for n in range(500 * p, 500 * p + 500)]}, 201)
        for p in range(4)
    ]
    ghl, vendor = make_ghl(*pages)

    assert find_task(ghl, UNFOUND) == ""
    assert len(vendor.sent) == 3
    assert vendor.sent[1].body["searchAfter"] == [499, "task499"]


def test_a_task_that_is_not_there_is_not_found() -> None:
    ghl, _ = make_ghl(recording({"tasks": [task_row(1)]}, 201))

    assert find_task(ghl, UNFOUND) == ""


def test_a_token_that_may_not_search_finds_nothing_and_stops_nothing() -> None:
    ghl, _ = make_ghl(sample("ghl/401_scope_missing"))

    assert find_task(ghl, UNFOUND) == ""


@pytest.mark.parametrize(
    "body",
    [
        {"contact_id": CONTACT, "id": "otherotherother"},
        {"contactId": CONTACT},
        {"id": CONTACT, "name": "Ada", "email": "ada@example.com", "phone": ""},
        {"customData": {"contact_id": CONTACT}, "id": "otherotherother"},
        {"contact_id": "{{contact.id}}", "id": f" {CONTACT} "},
    ],
)
def test_a_workflow_names_its_contact_in_one_of_several_places(body: object) -> None:
    assert parse_workflow(body) == CONTACT


@pytest.mark.parametrize(
    "body",
    [
        None,
        [CONTACT],
        CONTACT,
        {},
        {"id": 5},
        {"id": "short"},
        {"id": "x" * 41},
        {"id": "../../contacts/x"},
        {"id": f"{CONTACT}\n{CONTACT}"},
        {"customData": CONTACT},
        {"contact_id": {"contact_id": CONTACT}},
    ],
)
def test_a_workflow_without_a_contact_names_nobody(body: object) -> None:
    assert parse_workflow(body) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner),
    max_leaves=15,
)
KEYS_OF_BODIES = [
    *("type", "locationId", "id", "contactId", "contact_id", "appointment", "data"),
    *("timestamp", "webhookId", "dnd", "dndSettings", "title", "customData"),
]
BODIES = st.dictionaries(
    st.sampled_from(KEYS_OF_BODIES),
    JSON
    | st.sampled_from([*EVENTS, CONTACT, "\ud800", {"Email": {"status": "\ud800"}}]),
)


@given(
    body=JSON | BODIES,
    kind=st.sampled_from([*EVENTS]),
    changes=BODIES,
)
@settings(max_examples=300, deadline=None)
def test_nothing_that_is_posted_raises(
    body: Any, kind: str, changes: dict[str, Any]
) -> None:
    for told in (body, {**posted(kind), **changes}):
        event = parse(told)
        assert event is None or event.location_id.isascii()
        assert parse_workflow(told).isascii()


@given(body=st.binary(max_size=200), value=st.text(max_size=120))
@settings(max_examples=300, deadline=None)
def test_no_signature_that_anybody_makes_up_is_genuine(body: bytes, value: str) -> None:
    assert not verify(body, {NEW: value}, BOTH)
    assert not verify(body, {OLD: value}, BOTH)
