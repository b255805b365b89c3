"""The ways in which the sandbox breaks on request."""

import contextlib
from collections.abc import Iterator
from itertools import count

import pytest
import requests

from pipeline.sandbox.faults import INSTEAD, SPOILED
from tests.sandbox import GhlCaller, MailjetCaller, Sandbox, fresh_email

AN_HOUR = 3600.0


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    """The module's sandbox, without faults."""
    yield running
    running.clear_faults()


# Faults instead of an answer


@pytest.mark.parametrize(
    ("kind", "status"), [("500", 500), ("502", 502), ("503", 503), ("429", 429)]
)
def test_a_failing_vendor_does_nothing(
    ghl: GhlCaller, mailjet: MailjetCaller, kind: str, status: int
) -> None:
    """GHL 4."""
    row = ghl.create(email=fresh_email(), firstName="Same")
    ghl.sandbox.add_fault(kind)
    theirs = ghl.call("PUT", f"/contacts/{row['id']}", json={"firstName": "Other"})
    other = mailjet.manage(row["email"])

    for response in (theirs, other):
        assert response.status_code == status
        assert "Retry-After" not in response.headers
    is_json = kind in {"500", "429"}
    assert ("json" in theirs.headers["Content-Type"]) is is_json
    raw = ghl.sandbox.contact(row["id"])
    assert raw is not None
    assert raw["firstName"] == "Same"
    assert ghl.sandbox.subscriber(row["email"]) is None


def test_a_429_fault_may_name_its_wait(ghl: GhlCaller) -> None:
    """GHL 4."""
    ghl.sandbox.add_fault("429", retry_after=7)

    assert ghl.listing().headers["Retry-After"] == "7"


def test_tokens_can_be_revoked_and_scopes_go_missing(ghl: GhlCaller) -> None:
    """GHL 0."""
    ghl.sandbox.add_fault("token_revoked", times=1)
    ghl.sandbox.add_fault("scope_missing", times=1)
    revoked, scopeless = ghl.listing(), ghl.listing()

    assert revoked.status_code == scopeless.status_code == 401
    assert revoked.json()["message"] == "Invalid token: access token is invalid"
    words = "The token is not authorized for this scope."
    assert scopeless.json()["message"] == words
    assert ghl.listing().status_code == 200


@pytest.mark.parametrize(
    ("kind", "done"),
    [
        ("no_answer_before", False),
        ("no_answer_after", True),
        ("reset", False),
        ("reset_after", True),
    ],
)
def test_a_connection_may_end_before_or_after_the_work(
    ghl: GhlCaller, kind: str, done: bool
) -> None:
    """Mailjet 10 (2)."""
    row = ghl.create(email=fresh_email(), firstName="Old")
    ghl.sandbox.add_fault(kind, method="PUT", times=1)
    with pytest.raises(requests.ConnectionError) as caught:
        ghl.call("PUT", f"/contacts/{row['id']}", json={"firstName": "New"})

    assert ("reset" in str(caught.value).lower()) is ("reset" in kind)
    assert (ghl.contact(row["id"])["firstName"] == "New") is done
    put = next(e for e in reversed(ghl.sandbox.log()) if e["method"] == "PUT")
    assert put["status"] is None


def test_a_vendor_may_refuse_one_contact_for_good(
    ghl: GhlCaller, mailjet: MailjetCaller
) -> None:
    row, other, email = ghl.create(), ghl.create(), fresh_email()
    ghl.sandbox.add_fault("refused", vendor="ghl", contact=row["id"])
    ghl.sandbox.add_fault("refused", vendor="mailjet", contact=email.upper())

    for _ in range(3):
        theirs = ghl.call("PUT", f"/contacts/{row['id']}", json={"city": "Faro"})
        assert theirs.status_code == 422
        assert theirs.json()["message"] == ["email must be an email"]
        refused = mailjet.manage(email)
        assert refused.status_code == 400
        assert "Invalid email address" in refused.json()["ErrorMessage"]
    assert mailjet.sandbox.subscriber(email) is None
    assert ghl.call("GET", f"/contacts/{other['id']}").status_code == 200
    assert mailjet.manage(fresh_email()).status_code == 201


def test_a_refusal_may_have_words_of_its_own(mailjet: MailjetCaller) -> None:
    """Mailjet 10 (6)."""
    words = 'Invalid key name: "createdate"'
    values = "/v3/REST/contactdata/*"
    mailjet.sandbox.add_fault("refused", route=values, times=1, message=words)
    path, body = f"contactdata/{mailjet.add()}", {"Data": []}
    first, second = (mailjet.call("PUT", path, body) for _ in range(2))

    assert (first.status_code, second.status_code) == (400, 304)
    assert first.json()["ErrorMessage"] == words


def test_a_refusal_may_come_although_the_work_is_done(ghl: GhlCaller) -> None:
    """GHL 1.3."""
    email = fresh_email()
    ghl.sandbox.add_fault("refused_after", method="POST", times=1)
    body = {"locationId": ghl.location, "email": email}
    refused = ghl.call("POST", "/contacts/", json=body)
    again = ghl.call("POST", "/contacts/", json=body)

    assert refused.status_code == 422
    assert again.status_code == 400
    (row,) = ghl.found("email", "eq", email)
    assert again.json()["meta"]["contactId"] == row["id"]


# Spoiled answers


def test_a_slow_answer_outlasts_the_caller_but_the_work_is_done(ghl: GhlCaller) -> None:
    """Mailjet 10 (11)."""
    row = ghl.create(email=fresh_email())
    ghl.sandbox.add_fault("slow", seconds=AN_HOUR, times=1)
    url = f"{ghl.sandbox.env['GHL_BASE_URL']}/contacts/{row['id']}"
    token = f"Bearer {ghl.sandbox.env['GHL_TOKEN']}"
    headers = {"Authorization": token, "Version": "2021-07-28"}
    with pytest.raises(requests.ReadTimeout):
        requests.put(url, json={"city": "Faro"}, headers=headers, timeout=(30, 0.3))

    assert ghl.contact(row["id"])["city"] == "Faro"


def test_a_trickling_answer_comes_byte_by_byte(ghl: GhlCaller) -> None:
    ghl.sandbox.add_fault("trickle", seconds=AN_HOUR, times=1)
    with ghl.call("GET", "/contacts/gone", stream=True) as response:
        assert response.status_code == 400
        assert response.raw.read1(100) == b"{"


def test_bodies_may_be_cut_empty_or_of_the_wrong_type(ghl: GhlCaller) -> None:
    for kind in ("truncated", "empty", "wrong_type"):
        ghl.sandbox.add_fault(kind, times=1)
    cut, empty, wrong = (ghl.listing(limit=1) for _ in range(3))

    assert {r.status_code for r in (cut, empty, wrong)} == {200}
    assert cut.text.startswith('{"contacts"')
    with pytest.raises(requests.JSONDecodeError):
        cut.json()
    assert empty.content == b""
    assert isinstance(wrong.json(), list)
    assert ghl.listing(limit=1).json()["contacts"]


# Which calls a fault strikes


def test_a_fault_strikes_only_the_calls_that_it_names(
    ghl: GhlCaller, mailjet: MailjetCaller
) -> None:
    poisoned, healthy = ghl.create(), ghl.create()
    fault = ghl.sandbox.add_fault(
        "500", vendor="ghl", route="/contacts/:contactId", contact=poisoned["id"]
    )

    def status(contact_id: str) -> int:
        return ghl.call("GET", f"/contacts/{contact_id}").status_code

    assert [status(poisoned["id"]) for _ in range(3)] == [500, 500, 500]
    assert status(healthy["id"]) == 200
    tags = ghl.call("POST", f"/contacts/{poisoned['id']}/tags", json={"tags": ["a"]})
    assert tags.status_code == 201
    assert mailjet.call("GET", "user").status_code == 200
    ghl.sandbox.remove_fault(fault)
    assert status(poisoned["id"]) == 200


def test_a_mailjet_contact_is_known_by_path_and_by_body(mailjet: MailjetCaller) -> None:
    email = fresh_email()
    contact_id = mailjet.manage(email).json()["Data"][0]["ContactID"]
    mailjet.sandbox.add_fault("500", contact=contact_id)

    for path in (f"contact/{email}", f"contactdata/{contact_id}"):
        assert mailjet.call("GET", path).status_code == 500
    assert mailjet.manage(email.upper()).status_code == 500
    assert mailjet.manage(fresh_email()).status_code == 201


@pytest.mark.parametrize("kind", sorted(INSTEAD | SPOILED))
def test_every_kind_strikes_any_route_by_pattern_for_n_times_or_until_cleared(
    ghl: GhlCaller, mailjet: MailjetCaller, kind: str
) -> None:
    row = ghl.create(email=fresh_email())
    mailjet.add(Email=row["email"])

    def inside(caller: GhlCaller | MailjetCaller) -> None:
        path = "/contacts/" if caller is ghl else "/v3/REST/contact/"
        name = row["id"] if caller is ghl else row["email"]
        with contextlib.suppress(requests.ConnectionError):
            caller.call("GET", path + name)

    def times_left() -> list[int | None]:
        return [fault["times"] for fault in ghl.sandbox.faults()]

    for caller, pattern in ((ghl, "/contacts/*"), (mailjet, "/v3/REST/contact/*")):
        where = {"route": pattern, "seconds": 0.01}
        ghl.sandbox.add_fault(kind, times=2, **where)
        for vendor, outside in ((ghl, "/businesses/"), (mailjet, "user")):
            vendor.call("GET", outside)
        assert times_left() == [2]
        inside(caller)
        assert times_left() == [1]
        inside(caller)
        assert times_left() == []
        ghl.sandbox.add_fault(kind, **where)
        for _ in range(3):
            inside(caller)
        assert times_left() == [None]
        ghl.sandbox.clear_faults()
    assert ghl.contact(row["id"])["email"] == row["email"]


def test_a_fault_strikes_as_often_and_as_likely_as_asked(ghl: GhlCaller) -> None:
    ghl.sandbox.add_fault("500", times=2)
    ghl.sandbox.add_fault("503", probability=0.0)
    statuses = [ghl.listing(limit=1).status_code for _ in range(4)]
    assert statuses == [500, 500, 200, 200]

    ghl.sandbox.clear_faults()
    ghl.sandbox.add_fault("500", probability=0.5)
    statuses = [ghl.listing(limit=1).status_code for _ in range(64)]
    assert set(statuses) == {200, 500}


def test_an_unknown_fault_is_refused(sandbox: Sandbox) -> None:
    url = f"{sandbox.env['GHL_BASE_URL']}/_sandbox/faults"
    for body in ({"kind": "fire"}, {"kind": "500", "colour": 1}, "500"):
        assert requests.post(url, json=body, timeout=30).status_code == 400

    assert sandbox.faults() == []


# What lasts for as long as it is on


def test_search_may_lag_behind_while_get_is_up_to_date(ghl: GhlCaller) -> None:
    """GHL 1.2."""
    row = ghl.create(email=fresh_email(), city="Old")
    ghl.sandbox.add_fault("search_lag", seconds=AN_HOUR)
    ghl.call("PUT", f"/contacts/{row['id']}", json={"city": "New"})
    young = ghl.create(email=fresh_email())

    assert ghl.contact(row["id"])["city"] == "New"
    assert ghl.found("id", "eq", row["id"])[0]["city"] == "Old"
    assert ghl.found("id", "eq", young["id"]) == []


def test_search_catches_up_and_a_late_row_never_hides_a_newer_one(
    ghl: GhlCaller,
) -> None:
    """GHL 6 (5)."""
    row = ghl.create(email=fresh_email(), city="Old")
    late = ghl.sandbox.add_fault("search_lag", seconds=0.2)
    ghl.call("PUT", f"/contacts/{row['id']}", json={"city": "Late"})
    ghl.sandbox.remove_fault(late)
    ghl.call("PUT", f"/contacts/{row['id']}", json={"city": "New"})
    ghl.sandbox.add_fault("search_lag", seconds=0.2)
    later = ghl.create(email=fresh_email())
    appeared = (ghl.found("id", "eq", later["id"]) for _ in count())

    assert next(rows for rows in appeared if rows)
    assert ghl.found("id", "eq", row["id"])[0]["city"] == "New"


def test_deleted_contacts_may_linger_in_search(ghl: GhlCaller) -> None:
    """GHL 1.2."""
    row = ghl.create(email=fresh_email())
    ghl.sandbox.add_fault("deleted_linger", seconds=AN_HOUR)
    ghl.call("DELETE", f"/contacts/{row['id']}")

    assert ghl.found("id", "eq", row["id"])[0]["email"] == row["email"]
    assert ghl.call("GET", f"/contacts/{row['id']}").status_code == 400


def test_search_may_refuse_a_filter_that_the_page_promises(ghl: GhlCaller) -> None:
    """GHL 1.2."""
    field = "dndSettings.Email.status"
    ghl.sandbox.add_fault("filter_refused", field=field)
    refused = ghl.search(
        filters=[{"field": field, "operator": "eq", "value": "active"}]
    )
    other = ghl.search(filters=[{"field": "dnd", "operator": "eq", "value": True}])

    assert refused.status_code == 400
    assert refused.json()["message"] == f"Invalid field {field}"
    assert other.status_code == 200


def test_a_get_by_address_may_miss_who_a_post_calls_known(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 10 (1)."""
    mailjet.sandbox.add_fault("read_lag", seconds=AN_HOUR)
    email = fresh_email()
    contact_id = mailjet.add(Email=email)

    assert mailjet.call("GET", f"contact/{email}").status_code == 404
    assert mailjet.rows("contact", Email=email) == []
    again = mailjet.call("POST", "contact", {"Email": email})
    assert again.json()["ErrorMessage"].startswith("MJ18 ")
    assert mailjet.rows(f"contact/{contact_id}")[0]["Email"] == email
    mailjet.sandbox.clear_faults()
    assert mailjet.rows(f"contact/{email}")[0]["ID"] == contact_id


@pytest.mark.parametrize("rows", [1, -1])
def test_pages_found_by_counting_may_shift(
    ghl: GhlCaller, mailjet: MailjetCaller, rows: int
) -> None:
    """GHL 1.4, GHL 6 (4), Mailjet 1.1."""
    straight = mailjet.rows("contact", Limit=9)
    pages = {page: ghl.search(pageLimit=3, page=page).json() for page in (1, 2)}
    ghl.sandbox.add_fault("shifting_pages", rows=rows)
    shifted = ghl.search(pageLimit=3, page=2).json()["contacts"]
    both = pages[1]["contacts"] + pages[2]["contacts"]

    ids = [row["id"] for row in shifted]
    assert ids[:2] == [row["id"] for row in both[3 + rows : 5 + rows]]
    assert mailjet.rows("contact", Limit=3, Offset=3) == straight[3 + rows : 6 + rows]
    assert mailjet.rows("contact", Limit=3) == straight[:3]
