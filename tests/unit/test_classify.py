import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.classify import classify
from pipeline.errors import (
    Ambiguous,
    BadPayload,
    NotFound,
    PipelineError,
    RateLimited,
    Reach,
    Rejected,
    ScopeMissing,
    Unauthorized,
    VendorDown,
    VendorError,
)
from pipeline.waiting import retry_after_seconds
from tests.recorded import SAMPLES, Recording, recording, sample

READ = "GET /contacts/:contactId"
UPDATE = "PUT /contacts/:contactId"
BUSINESS = "GET /contacts/business/:businessId"
TASK_UPDATE = "PUT /contacts/:contactId/tasks/:taskId/completed"
NOTE_READ = "GET /contacts/:contactId/notes/:noteId"
EVENTS_READ = "GET /calendars/events"
DEFINE = "POST /v3/REST/contactmetadata"
LIST_WRITE = "POST /v3/REST/contactslist/:listId/managecontact"
LISTS_WRITE = "POST /v3/REST/contact/:contactId/managecontactslists"
MAILJET_READ = "GET /v3/REST/contact/:contact"

CALL, CONTACT, CONNECTION = Reach.CALL, Reach.CONTACT, Reach.CONNECTION

REFUSALS = [
    # sample, route, error, reach, words that must be told
    ("ghl/400_contact_not_found", READ, NotFound, CONTACT, "Contact not found"),
    ("ghl/400_contact_with_id_not_found", UPDATE, NotFound, CONTACT, "not found"),
    ("ghl/400_business_not_found", BUSINESS, NotFound, CONTACT, "Business with id"),
    ("ghl/400_business_not_found", UPDATE, Rejected, CONTACT, "Business with id"),
    ("ghl/400_duplicate", "POST /contacts/", Rejected, CONTACT, "duplicated"),
    ("ghl/400_invalid_field", "POST /contacts/search", Rejected, CONTACT, "birthday"),
    ("ghl/400_task_not_found", TASK_UPDATE, NotFound, CONTACT, "Task not found"),
    ("ghl/400_task_not_found", UPDATE, Rejected, CONTACT, "Task not found"),
    ("ghl/400_note_not_found", NOTE_READ, NotFound, CONTACT, "does not exist"),
    ("ghl/400_contact_not_found", NOTE_READ, NotFound, CONTACT, "Contact not found"),
    ("ghl/400_calendar_not_found", EVENTS_READ, NotFound, CONTACT, "Calendar"),
    ("ghl/400_email_refused", UPDATE, Rejected, CONTACT, "must be an email"),
    ("ghl/401_token_invalid", READ, Unauthorized, CONNECTION, "credential"),
    ("ghl/401_scope_missing", READ, ScopeMissing, CONNECTION, "lacks a scope"),
    ("ghl/401_user_type", READ, ScopeMissing, CONNECTION, "lacks a scope"),
    ("ghl/403_other_location", READ, Unauthorized, CONNECTION, "another location"),
    ("ghl/403_cloudflare_1010", READ, Unauthorized, CONNECTION, "1010"),
    ("ghl/404_empty", READ, BadPayload, CONNECTION, "base URL"),
    ("ghl/404_no_such_route", READ, BadPayload, CONNECTION, "base URL"),
    ("ghl/404_json", READ, NotFound, CONTACT, "Not found"),
    ("ghl/404_json", "GET /locations/:locationId", NotFound, CONNECTION, "Not found"),
    ("ghl/422_unknown_property", UPDATE, Rejected, CONTACT, "gender"),
    ("ghl/429_with_retry_after", READ, RateLimited, CALL, "Too Many"),
    ("ghl/429_html", UPDATE, RateLimited, CALL, "HTML"),
    ("ghl/500_json", READ, VendorDown, CALL, "Internal"),
    ("ghl/500_json", UPDATE, Ambiguous, CALL, "Internal"),
    ("ghl/502_html", READ, VendorDown, CALL, "HTML"),
    ("ghl/502_html", UPDATE, Ambiguous, CALL, "HTML"),
    ("ghl/503_empty", UPDATE, VendorDown, CALL, ""),
    ("ghl/302_elsewhere", READ, BadPayload, CONNECTION, "base URL"),
    ("mailjet/400_already_exists", LIST_WRITE, Rejected, CONTACT, "already exists"),
    ("mailjet/400_invalid_address", LIST_WRITE, Rejected, CONTACT, "Invalid email"),
    ("mailjet/400_properties_not_defined", LIST_WRITE, Rejected, CONNECTION, "ghl_tag"),
    ("mailjet/400_property_type", LIST_WRITE, Rejected, CONTACT, "ghl_open_tasks"),
    ("mailjet/400_invalid_key_name", LIST_WRITE, Rejected, CONNECTION, "ghl_tags"),
    ("mailjet/400_list_missing", LISTS_WRITE, Rejected, CONNECTION, "listID missing"),
    ("mailjet/400_no_historic_namespace", DEFINE, Rejected, CONTACT, "NameSpace"),
    ("mailjet/400_unknown_json", LIST_WRITE, Rejected, CONTACT, "Contacts"),
    ("mailjet/401_bad_key", MAILJET_READ, Unauthorized, CONNECTION, "credential"),
    ("mailjet/401_empty", MAILJET_READ, Unauthorized, CONNECTION, "credential"),
    ("mailjet/401_operation_not_allowed", LIST_WRITE, Rejected, CONTACT, "Operation"),
    ("mailjet/404_object_not_found", MAILJET_READ, NotFound, CONTACT, "Object"),
    ("mailjet/404_object_not_found", LIST_WRITE, NotFound, CONNECTION, "Object"),
    ("mailjet/404_html", MAILJET_READ, BadPayload, CONNECTION, "base URL"),
    ("mailjet/405_method", LIST_WRITE, Rejected, CONTACT, "Method"),
    ("mailjet/429_empty", MAILJET_READ, RateLimited, CALL, ""),
    ("mailjet/429_date", MAILJET_READ, RateLimited, CALL, "Too many"),
    ("mailjet/500_database", MAILJET_READ, VendorDown, CALL, "database"),
    ("mailjet/503_html", LIST_WRITE, VendorDown, CALL, "HTML"),
]


def judge(answer: Recording, route: str, vendor: str = "ghl") -> Any:
    return classify(
        vendor,
        route,
        answer.status,
        answer.headers,
        answer.body,
        writes=not route.startswith("GET") and not route.endswith("/search"),
    )


@pytest.mark.parametrize(("name", "route", "error", "reach", "words"), REFUSALS)
def test_each_refusal_becomes_its_error_with_its_reach(
    name: str, route: str, error: type[VendorError], reach: Reach, words: str
) -> None:
    answer = sample(name)

    with pytest.raises(error) as raised:
        judge(answer, route, name.partition("/")[0])

    assert type(raised.value) is error
    assert raised.value.reach is reach
    assert raised.value.status == answer.status
    assert words in raised.value.detail


def test_every_refusal_among_the_samples_is_judged_above() -> None:
    judged = {name for name, *_ in REFUSALS}
    kept = {
        f"{path.parent.name}/{path.stem}"
        for path in SAMPLES.glob("*/[345]*.json")
        if path.stem[:3].isdigit()
    }

    assert kept == judged


@pytest.mark.parametrize("name", sorted({name for name, *_ in REFUSALS}))
def test_no_sample_lets_a_person_into_the_error(name: str) -> None:
    with pytest.raises(PipelineError) as raised:
        judge(sample(name), UPDATE, name.partition("/")[0])

    told = repr(raised.value)
    assert "@" not in told
    assert "ada example.com" not in told
    assert "Ada" not in told
    assert "198.51" not in told


@pytest.mark.parametrize(
    ("words", "misfits"),
    [
        ({"city": "Property type does not match definition"}, {"city"}),
        (
            {"city": "Property type does not match definition", "zip": "not defined"},
            set(),
        ),
    ],
    ids=["values alone", "a property is missing"],
)
def test_values_that_mailjet_refuses_are_named_where_nothing_else_is_wrong(
    words: dict[str, str], misfits: set[str]
) -> None:
    rows = [{name: text} for name, text in words.items()]
    body = {
        "ErrorInfo": {"Properties": rows},
        "ErrorMessage": "Object properties invalid",
        "StatusCode": 400,
    }

    with pytest.raises(Rejected) as raised:
        judge(recording(body, 400), LIST_WRITE, "mailjet")

    assert raised.value.misfits == misfits


def test_a_duplicate_names_the_contact_that_exists() -> None:
    with pytest.raises(Rejected) as raised:
        judge(sample("ghl/400_duplicate"), "POST /contacts/")

    assert raised.value.duplicate_of == "Mq7hmgR2mFq0kTtUPbzD"


def test_a_refusal_that_is_no_duplicate_names_nobody() -> None:
    with pytest.raises(Rejected) as raised:
        judge(sample("ghl/422_unknown_property"), UPDATE)

    assert raised.value.duplicate_of is None


def test_the_trace_id_is_kept_for_the_vendors_support() -> None:
    with pytest.raises(NotFound) as ghl:
        judge(sample("ghl/400_contact_not_found"), READ)
    with pytest.raises(Unauthorized) as mailjet:
        judge(sample("mailjet/401_bad_key"), MAILJET_READ, "mailjet")

    assert ghl.value.trace_id == "0f3c7a52-6a0e-4f4c-9d43-0f6a5f1b2c11"
    assert "trace 06df1144-c6f3-4ca7-8885-7ec5d4344113" in str(mailjet.value)


def test_a_trace_id_that_is_no_id_is_left_out() -> None:
    answer = recording({"message": "no", "traceId": "ada@example.com"}, 400)

    with pytest.raises(Rejected) as raised:
        judge(answer, UPDATE)

    assert raised.value.trace_id == ""


def test_a_rate_limit_carries_the_wait_that_was_asked_for() -> None:
    with pytest.raises(RateLimited) as asked:
        judge(sample("ghl/429_with_retry_after"), READ)
    with pytest.raises(RateLimited) as silent:
        judge(sample("mailjet/429_empty"), MAILJET_READ, "mailjet")

    assert asked.value.retry_after_seconds == 7.0
    assert silent.value.retry_after_seconds is None


@pytest.mark.parametrize("route", [READ, UPDATE])
def test_an_outage_carries_the_wait_that_was_asked_for(route: str) -> None:
    with pytest.raises(VendorDown) as asked:
        judge(recording("", 503, {"Retry-After": "120"}), route)
    with pytest.raises(VendorDown) as silent:
        judge(recording("", 503), route)

    assert asked.value.retry_after_seconds == 120.0
    assert silent.value.retry_after_seconds is None


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_any_2xx_is_a_success(status: int) -> None:
    assert judge(recording({"a": 1}, status), UPDATE) == {"a": 1}


@pytest.mark.parametrize("status", [200, 204, 304])
@pytest.mark.parametrize("body", ["", " \n"])
def test_an_empty_answer_is_a_success_without_data(status: int, body: str) -> None:
    assert judge(recording(body, status), UPDATE) is None


@pytest.mark.parametrize(
    "body", ['{"contact": {"id": "aaa', "<html>ok</html>", "[" * 5000, '"\\ud83d']
)
def test_a_2xx_that_cannot_be_read_is_no_success(body: str) -> None:
    with pytest.raises(VendorDown):
        judge(recording(body), READ)
    with pytest.raises(Ambiguous):
        judge(recording(body, 201), UPDATE)


@pytest.mark.parametrize(
    "body",
    [
        "[" * 5000,
        "[]",
        "null",
        '{"message": ' + "[" * 300 + "]" * 300 + "}",
        '{"message": null, "meta": "x"}',
        '{"message": {"error": 7}, "meta": {"contactId": ["x"]}}',
        "\ud7ff",
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500])
def test_a_strange_error_body_is_still_one_of_our_errors(
    body: str, status: int
) -> None:
    with pytest.raises(VendorError) as raised:
        judge(recording(body, status), READ)

    assert raised.value.status == status


ADDRESSES = st.emails() | st.sampled_from(
    [
        '"ada example"@example.com',
        "ada%40example.com",
        "ada+tag@example.org",
        "x@localhost",
        "\\x5fa8c1@domain.invalid",
        "{ada}=o'neil@example.com",
    ]
)
AROUND = st.text(st.characters(codec="utf-8"), max_size=30)


@given(
    address=ADDRESSES,
    before=AROUND,
    after=AROUND,
    place=st.sampled_from(["message", "ErrorMessage", "ErrorInfo", "text"]),
    shape=st.sampled_from(["text", "list", "object", "key"]),
    status=st.sampled_from([302, 400, 401, 403, 404, 405, 422, 429, 500, 503]),
    vendor=st.sampled_from(["ghl", "mailjet"]),
)
def test_an_address_in_an_answer_never_enters_the_error(
    address: str,
    before: str,
    after: str,
    place: str,
    shape: str,
    status: int,
    vendor: str,
) -> None:
    words = f"{before}{address}{after}"
    shaped = {
        "text": words,
        "list": [words, "x"],
        "object": {"Properties": [{"p": words}]},
        "key": {words: "Property not defined"},
    }[shape]
    body = words if place == "text" else json.dumps({place: shaped})
    answer = Recording(status, {}, body.encode())

    with pytest.raises(VendorError) as raised:
        judge(answer, "PUT /v3/REST/contact/:contactId", vendor)

    assert address not in str(raised.value)
    assert address not in repr(raised.value)
    assert len(raised.value.detail) <= 200


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("value 'Ada Lovelace' is wrong", "Lovelace"),
        ('resource with value "Ada Lovelace" for Name exists', "Lovelace"),
        ('value: "Ada Lovel', "Lovel"),
        ("token pit-5f1c2a77-aaaa was refused", "5f1c2a77"),
        ("Bearer abcdef is refused", "abcdef"),
        ("key 0123456789abcdef0123456789abcdef is off", "0123456789abcdef"),
        ("jwt eyJhbGciOi.eyJzdWIi.c2ln expired", "eyJzdWIi"),
        ("GET /contacts?query=Lovelace failed", "Lovelace"),
        ("phone +49 30 1234-5678 is invalid", "1234"),
    ],
)
def test_names_tokens_queries_and_phones_are_removed(text: str, secret: str) -> None:
    with pytest.raises(Rejected) as raised:
        judge(recording({"message": text}, 400), UPDATE)

    assert secret not in str(raised.value)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("-3", 0.0),
        ("86400", 3600.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("Thu, 99 Jan 1970 00:02:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_of_at_most_an_hour(
    header: str, seconds: float | None
) -> None:
    answer = recording("", 429, {"retry-after": header})

    assert retry_after_seconds(answer.headers, now=100.0) == seconds


def test_no_retry_after_is_no_wait_that_was_asked_for() -> None:
    assert retry_after_seconds({}) is None
