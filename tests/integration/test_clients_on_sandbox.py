"""Both clients against the sandbox, which knows nothing of them."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from pipeline.errors import NotFound, Reach, Rejected, Unauthorized
from pipeline.ghl.client import HEADERS, GhlClient
from pipeline.ghl.records import ListCursor
from pipeline.mailjet.client import MailjetClient
from pipeline.permit import Lane, Permit
from pipeline.session import ApiSession
from pipeline.sync.contact import ListAction
from tests.recorded import Ledgerless
from tests.sandbox import Sandbox, fresh_email

CONTACTS = 230


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox("--contacts", str(CONTACTS)) as running:
        yield running


def ghl_client(sandbox: Sandbox, token: str | None = None) -> GhlClient:
    env = sandbox.env
    session = ApiSession(
        "ghl",
        env["GHL_BASE_URL"],
        headers={**HEADERS, "Authorization": f"Bearer {token or env['GHL_TOKEN']}"},
        budget=Ledgerless(),
        permit=Permit(Lane.BULK),
        read_only=False,
    )
    return GhlClient(session, env["GHL_LOCATION_ID"])


@pytest.fixture
def ghl(sandbox: Sandbox) -> GhlClient:
    return ghl_client(sandbox)


@pytest.fixture
def mailjet(sandbox: Sandbox) -> MailjetClient:
    env = sandbox.env
    return MailjetClient(
        ApiSession(
            "mailjet",
            env["MAILJET_BASE_URL"],
            auth=(env["MAILJET_API_KEY"], env["MAILJET_SECRET_KEY"]),
            budget=Ledgerless(),
            permit=Permit(Lane.BULK),
            read_only=False,
        )
    )


def test_listing_and_search_read_every_contact_once(
    sandbox: Sandbox, ghl: GhlClient
) -> None:
    listed: list[str] = []
    cursor: ListCursor | None = None
    while True:
        page = ghl.list_contacts(cursor)
        listed += [contact.id for contact in page.contacts]
        if (cursor := page.next) is None:
            break
    found: list[str] = []
    after = None
    while True:
        rows = ghl.search_contacts(search_after=after, page_limit=50)
        found += [contact.id for contact in rows.contacts]
        if (after := rows.next) is None:
            break

    there = sorted(row["id"] for row in sandbox.contacts())
    assert sorted(listed) == there
    assert sorted(found) == there


def test_a_companys_contacts_are_read_to_the_end(
    sandbox: Sandbox, ghl: GhlClient
) -> None:
    companies = ghl.list_businesses(0).businesses
    of_company = {
        company.id: {
            row["id"]
            for row in sandbox.contacts()
            if row.get("businessId") == company.id
        }
        for company in companies
    }

    assert any(of_company.values())
    for company_id, there in of_company.items():
        found: list[str] = []
        skip: int | None = 0
        while skip is not None:
            page = ghl.business_contacts(company_id, skip)
            found += [contact.id for contact in page.contacts]
            skip = page.next
        assert sorted(found) == sorted(there)


def test_a_contact_lives_from_creation_to_deletion(ghl: GhlClient) -> None:
    email = fresh_email()
    made = ghl.create_contact({"firstName": "Ada", "email": email.upper()})
    settings = {"Email": {"status": "active", "message": "", "code": ""}}
    ghl.update_contact(made.id, {"city": "Berlin", "dndSettings": settings})
    tags = ghl.add_tags(made.id, ["VIP", "lead"])
    ghl.remove_tags(made.id, ["lead"])

    read = ghl.get_contact(made.id)
    with pytest.raises(Rejected) as duplicate:
        ghl.create_contact({"email": email})
    ghl.delete_contact(made.id)
    with pytest.raises(NotFound) as gone:
        ghl.get_contact(made.id)

    assert set(tags) == {"vip", "lead"}
    assert (read.email, read.values["city"], read.tags) == (email, "Berlin", ("vip",))
    assert read.dnd_settings is not None
    assert read.dnd_settings["Email"]["status"] == "active"  # type: ignore[index]
    assert duplicate.value.duplicate_of == made.id
    assert gone.value.reach is Reach.CONTACT


def test_a_dead_token_stops_the_connection(sandbox: Sandbox) -> None:
    with pytest.raises(Unauthorized) as raised:
        ghl_client(sandbox, token="pit-dead").get_location()

    assert raised.value.reach is Reach.CONNECTION


def test_what_surrounds_contacts_is_read(ghl: GhlClient) -> None:
    assert ghl.get_location().id == ghl.location_id
    assert isinstance(ghl.list_tags(), tuple)
    assert isinstance(ghl.list_custom_fields(), tuple)


def test_a_subscriber_is_upserted_read_and_opted_out(mailjet: MailjetClient) -> None:
    name = f"p{uuid4().hex[:10]}"
    defined = mailjet.create_property(name, "str")
    list_id = mailjet.create_list(f"list {name}").id
    email = fresh_email()

    made = mailjet.manage_contact(
        list_id, email, ListAction.ADD, name="Ada", properties={name: "a"}
    )
    mailjet.update_contact_data(made.contact_id, {name: "b"})
    mailjet.update_contact_data(made.contact_id, {name: "b"})
    mailjet.update_contact(made.contact_id, name="Ada E.", excluded=True)
    before = mailjet.contact_lists(made.contact_id)
    mailjet.manage_lists(made.contact_id, {list_id: ListAction.UNSUBSCRIBE})

    assert defined in mailjet.list_properties()
    assert mailjet.get_list(list_id) in mailjet.list_lists()
    assert before == {list_id: False}
    assert mailjet.contact_lists(made.contact_id) == {list_id: True}
    assert mailjet.contact_data(made.contact_id)[name] == "b"
    by_number = mailjet.get_contact(made.contact_id)
    assert by_number == mailjet.get_contact(email)
    assert (by_number.name, by_number.excluded) == ("Ada E.", True)
    assert made.contact_id in {
        one.contact_id for one in mailjet.list_contacts(0, excluded=True).subscribers
    }
    assert (made.contact_id, {name: "b"}) in [
        (one.contact_id, one.properties)
        for one in mailjet.list_contact_data(0, fields=[name]).subscribers
    ]
    [recipient] = mailjet.list_recipients(
        0, list_id=list_id, unsubscribed=True
    ).recipients
    assert recipient.contact_id == made.contact_id
    assert mailjet.get_user().id > 0


def test_mailjets_refusals_have_the_right_reach(mailjet: MailjetClient) -> None:
    list_id = mailjet.create_list(f"list {uuid4().hex}").id

    with pytest.raises(Rejected) as undefined:
        mailjet.manage_contact(
            list_id, fresh_email(), ListAction.ADD, properties={"undefined": "x"}
        )
    with pytest.raises(Rejected) as invalid:
        mailjet.manage_contact(list_id, "no address", ListAction.ADD)
    with pytest.raises(NotFound) as no_list:
        mailjet.manage_contact(1, fresh_email(), ListAction.ADD)
    with pytest.raises(NotFound) as nobody:
        mailjet.get_contact(999_999_999)

    assert undefined.value.reach is Reach.CONNECTION
    assert invalid.value.reach is Reach.CONTACT
    assert no_list.value.reach is Reach.CONNECTION
    assert nobody.value.reach is Reach.CONTACT
