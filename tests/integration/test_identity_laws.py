"""Laws of identity, for random people who share, change, lose and delete addresses."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from tests.builders import MAIN_LIST, VIP_LIST, make_policy, told
from tests.integration.tiny_pipeline import TinyPipeline
from tests.tiny_vendors import TinyGhl, TinyMailjet

OTHER_LIST = 77
MANAGED = make_policy().managed_lists
IDS = ("ana", "bo", "cy", "di")
EMAILS = tuple(f"{name}@example.com" for name in ("p", "q", "r"))
NONE, INVALID = "", "p@@example.com"
ids = st.sampled_from(IDS)
emails = st.sampled_from([*EMAILS, *EMAILS, NONE, INVALID])
FULL = {"phone": "1", "companyName": "c", "state": "s", "country": "PT"}
FULL |= {"postalCode": "4", "timezone": "UTC", "source": "w", "assignedTo": "u"}


def dnd(status: str) -> dict[str, object]:
    return {"Email": {"status": status}}


class IdentityMachine(RuleBasedStateMachine):
    """Four GHL contacts, three addresses, one Mailjet account, any order of syncs."""

    redis: Redis
    account_wide: bool

    def __init__(self) -> None:
        super().__init__()
        self.ghl, self.mailjet = TinyGhl(), TinyMailjet()
        policy = make_policy(optout_scope_account=self.account_wide)
        self.pipeline = TinyPipeline(self.redis, self.ghl, self.mailjet, policy)
        self.pipeline.forget()
        self.now_ms = 1_000
        self.said_no: set[str] = set()
        """Addresses whose owner said no in Mailjet."""
        self.doubtful: set[str] = set()
        """Addresses, and ids, of whom nobody may expect that they are mailed."""
        self.touched: set[str] = set()
        """Addresses that an operator deleted, or took off our list, in Mailjet."""
        self.opted_out: set[str] = set()
        """Contacts that were opted out when we looked, and that we remember."""
        self.pairs: set[tuple[str, str]] = set()
        """Who ever had which address."""
        self.has_forgotten = False

    # GHL

    @initialize(
        people=st.lists(
            st.tuples(emails, st.integers(1, 50), st.booleans()), max_size=len(IDS)
        )
    )
    def begin(self, people: list[tuple[str, int, bool]]) -> None:
        for id_, (email, added_ms, tags) in zip(IDS, people, strict=False):
            self.create(id_=id_, email=email, added_ms=added_ms, tags=tags)

    @rule(id_=ids, email=emails, added_ms=st.integers(1, 50), tags=st.booleans())
    def create(self, id_: str, email: str, added_ms: int, tags: bool) -> None:
        if id_ in self.ghl.contacts:
            return
        values = {**FULL, "firstName": id_, "lastName": "Lee", "city": "Rome"}
        self.ghl.contacts[id_] = told(
            values,
            tags=["vip"] if tags else [],
            id=id_,
            date_added_ms=added_ms,
            date_updated_ms=self.tick(),
            dnd=False,
            dnd_settings=dnd("inactive"),
        )
        self.opted_out.discard(id_)
        self.edit(id_, **address(email))

    def tick(self) -> int:
        self.now_ms += 1
        return self.now_ms

    def edit(self, id_: str, **fields: object) -> None:
        if contact := self.ghl.contacts.get(id_):
            changed = replace(contact, date_updated_ms=self.tick(), **fields)
            self.ghl.contacts[id_] = changed

    @rule(id_=ids, email=emails)
    def change_address(self, id_: str, email: str) -> None:
        self.edit(id_, **address(email))

    @rule(one=ids, other=ids)
    def swap_addresses(self, one: str, other: str) -> None:
        if {one, other} <= self.ghl.contacts.keys():
            first, second = self.ghl.contacts[one], self.ghl.contacts[other]
            self.edit(one, email=second.email, email_valid=second.email_valid)
            self.edit(other, email=first.email, email_valid=first.email_valid)

    @rule(id_=ids, city=st.sampled_from(["Rome", "Oslo", "Faro"]))
    def change_city(self, id_: str, city: str) -> None:
        if id_ in self.ghl.contacts:
            values = {**self.ghl.contacts[id_].values, "city": city}
            self.edit(id_, values=values)

    @rule(id_=ids, tags=st.sampled_from([(), ("vip",), ("vip", "lead")]))
    def change_tags(self, id_: str, tags: tuple[str, ...]) -> None:
        self.edit(id_, tags=tags)

    @rule(id_=ids, status=st.sampled_from(["active", "permanent", "inactive"]))
    def set_dnd(self, id_: str, status: str) -> None:
        self.edit(id_, dnd_settings=dnd(status))
        if status != "inactive":
            self.doubtful.add(id_)

    @rule(id_=ids)
    def delete(self, id_: str) -> None:
        contact = self.ghl.contacts.pop(id_, None)
        if contact is not None and contact.email_valid:
            self.doubtful.add(contact.email or "")

    # Mailjet

    @rule(
        email=st.sampled_from(EMAILS),
        list_id=st.sampled_from([MAIN_LIST, VIP_LIST, OTHER_LIST]),
    )
    def unsubscribe(self, email: str, list_id: int) -> None:
        known = self.mailjet.read(email)
        if known.contact_id:
            self.mailjet.people[known.contact_id].unsubscribed[list_id] = True
            self.doubtful.add(email)
            if self.account_wide or list_id != OTHER_LIST:
                self.said_no.add(email)

    @rule(email=st.sampled_from(EMAILS))
    def exclude(self, email: str) -> None:
        known = self.mailjet.read(email)
        if known.contact_id:
            self.mailjet.people[known.contact_id].excluded = True
            self.said_no.add(email)
            self.doubtful.add(email)

    @rule(email=st.sampled_from(EMAILS))
    def take_off_the_list(self, email: str) -> None:
        known = self.mailjet.read(email)
        if known.contact_id and email not in self.said_no:
            gone = self.mailjet.people[known.contact_id].unsubscribed
            if gone.get(MAIN_LIST) is False:
                del gone[MAIN_LIST]
                self.doubtful.add(email)

    @rule(email=st.sampled_from(EMAILS))
    def erase(self, email: str) -> None:
        self.mailjet.erase(email)
        self.touched.add(email)
        self.doubtful.add(email)
        self.said_no.discard(email)

    # We

    @rule(id_=ids)
    def sync(self, id_: str) -> None:
        self.pipeline.sync(id_)

    @rule()
    def full_run(self) -> None:
        self.pipeline.full_run()
        self.opted_out |= {
            id_
            for id_, one in self.ghl.contacts.items()
            if one.dnd_settings != dnd("inactive") or one.email in self.said_no
        }

    @rule()
    def forget(self) -> None:
        self.pipeline.forget()
        self.opted_out.clear()
        self.has_forgotten = True

    @rule()
    def come_to_rest(self) -> None:
        self.look_at_everything()
        self.check_consent()
        self.check_the_oldest_stands()
        self.check_nobody_fell_off()
        self.check_nobody_is_left_over()
        writes = self.mailjet.writes
        self.look_at_everything()
        assert self.mailjet.writes == writes, "not at rest"
        assert "addforce" not in {action for _, action in self.mailjet.sent}

    def look_at_everything(self) -> None:
        """Only a live sync sees that somebody is on a tag's list without the tag."""
        self.full_run()
        for id_ in IDS:
            self.pipeline.sync(id_)

    def teardown(self) -> None:
        self.come_to_rest()

    # Laws

    def mailed(self, email: str) -> bool:
        """Whether a campaign to a list of ours would reach the address."""
        person = self.mailjet.read(email)
        lists = person.unsubscribed or {}
        return any(lists.get(i) is False for i in MANAGED) and not person.excluded

    def living(self, email: str) -> list[str]:
        """Ids of contacts with the address, the oldest first."""
        those = [c for c in self.ghl.contacts.values() if c.email == email]
        return [c.id for c in sorted(those, key=lambda c: (c.date_added_ms or 0, c.id))]

    @invariant()
    def spread_doubt(self) -> None:
        """An address is in doubt with its people, and people with all they had."""
        self.pairs |= {(c.id, c.email or "") for c in self.ghl.contacts.values()}
        for _ in self.pairs:
            for pair in self.pairs:
                if self.doubtful.intersection(pair):
                    self.doubtful.update(pair)
        self.doubtful.discard(NONE)
        self.doubtful.discard(INVALID)

    def check_consent(self) -> None:
        for email in EMAILS:
            refused = [i for i in self.living(email) if i in self.opted_out]
            is_ours = bool(self.living(email)) or not self.has_forgotten
            if refused or (email in self.said_no and is_ours):
                assert not self.mailed(email), f"{email} is mailed: {refused}"

    def check_the_oldest_stands(self) -> None:
        for email in EMAILS:
            oldest, *_ = *self.living(email), None
            if oldest is None or email in self.touched:
                continue
            person, contact = self.mailjet.read(email), self.ghl.contacts[oldest]
            properties = person.properties or {}
            assert person.name == f"{oldest} Lee"
            assert properties["ghl_contact_id"] == oldest
            assert properties["city"] == contact.values["city"]

    def check_nobody_fell_off(self) -> None:
        for email in EMAILS:
            living = self.living(email)
            if living and not self.doubtful.intersection([email, *living]):
                lists = self.mailjet.read(email).unsubscribed or {}
                assert lists.get(MAIN_LIST) is False, f"{email} fell off"

    def check_nobody_is_left_over(self) -> None:
        for email in EMAILS:
            if not self.living(email) and not self.has_forgotten:
                assert not self.mailed(email), f"{email} is nobody's, and mailed"


def address(email: str) -> dict[str, object]:
    return {"email": email, "email_valid": email in EMAILS}


@pytest.mark.parametrize("account_wide", [True, False])
def test_identity_obeys_its_laws(redis, account_wide):
    machine = type(
        "Machine", (IdentityMachine,), {"redis": redis, "account_wide": account_wide}
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
