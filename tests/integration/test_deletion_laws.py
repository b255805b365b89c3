"""The laws of identity hold whatever becomes of people who are deleted in GHL."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from pipeline.sync.ports import Deletions
from tests.builders import MAIN_LIST, VIP_LIST, make_contact, make_policy
from tests.integration.test_identity_laws import EMAILS, FULL, IdentityMachine, dnd
from tests.integration.tiny_pipeline import TinyPipeline
from tests.tiny_vendors import TinyGhl, TinyMailjet

OTHER_LIST = 77
NOES = ("none", "dnd", "excluded", MAIN_LIST, VIP_LIST, OTHER_LIST)
WITHOUT_DEADLINE = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}


class DeletionMachine(IdentityMachine):
    """The same world under another policy; GHL's contacts are nobody's to delete."""

    account_wide = True
    deletions: Deletions

    def __init__(self) -> None:
        super().__init__()
        policy = make_policy(deletions=self.deletions)
        self.pipeline = TinyPipeline(self.redis, self.ghl, self.mailjet, policy)

    def look_at_everything(self) -> None:
        before = set(self.ghl.contacts)
        super().look_at_everything()
        assert set(self.ghl.contacts) == before

    def check_consent(self) -> None:
        """`keep` looks at nobody in Mailjet, and finds no new no there."""
        if self.deletions is Deletions.KEEP:
            gone = {email for email in EMAILS if not self.living(email)}
            self.said_no -= {email for email in gone if self.mailed(email)}
        super().check_consent()

    def check_nobody_is_left_over(self) -> None:
        if self.deletions is not Deletions.KEEP:
            super().check_nobody_is_left_over()


@pytest.mark.parametrize(
    "deletions", [one for one in Deletions if one is not Deletions.UNSUBSCRIBE]
)
def test_whatever_becomes_of_the_deleted_nobody_with_a_no_is_mailed(redis, deletions):
    machine = type("Machine", (DeletionMachine,), {"redis": redis})
    machine.deletions = deletions

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=10,
            stateful_step_count=20,
            **WITHOUT_DEADLINE,
        ),
    )


def say_no(ghl: TinyGhl, mailjet: TinyMailjet, id_: str, no: str | int) -> None:
    email = ghl.contacts[id_].email or ""
    person = mailjet.people[mailjet.read(email).contact_id]
    if no == "dnd":
        blocked = replace(ghl.contacts[id_], dnd_settings=dnd("active"))
        ghl.contacts[id_] = replace(blocked, date_updated_ms=2)
    elif no == "excluded":
        person.excluded = True
    elif isinstance(no, int):
        person.unsubscribed[no] = True


def mailed(mailjet: TinyMailjet, email: str) -> bool:
    person = mailjet.read(email)
    lists = person.unsubscribed or {}
    ours = make_policy().managed_lists
    return not person.excluded and any(lists.get(one) is False for one in ours)


@pytest.mark.parametrize("deletions", Deletions)
@settings(max_examples=15, **WITHOUT_DEADLINE)
@given(
    people=st.lists(
        st.tuples(st.sampled_from(NOES), st.booleans(), st.booleans()),
        min_size=1,
        max_size=4,
    )
)
def test_who_said_no_and_is_deleted_and_made_anew_stays_out(redis, deletions, people):
    ghl, mailjet = TinyGhl(), TinyMailjet()
    pipeline = TinyPipeline(redis, ghl, mailjet, make_policy(deletions=deletions))
    pipeline.forget()
    anew = {}
    for number, _ in enumerate(people):
        email = f"p{number}@example.com"
        facts = {"tags": ("vip",), "dnd": False, "dnd_settings": dnd("inactive")}
        one = make_contact(id=f"old{number}", email=email, values=FULL, **facts)
        ghl.contacts[one.id] = replace(one, date_added_ms=1, date_updated_ms=1)
        anew[number] = replace(one, id=f"new{number}", date_added_ms=3)
    pipeline.full_run()
    for number, (no, is_seen, _) in enumerate(people):
        say_no(ghl, mailjet, f"old{number}", no)
        if is_seen:
            pipeline.sync(f"old{number}")
    for number, (*_, is_deleted) in enumerate(people):
        if is_deleted:
            del ghl.contacts[f"old{number}"]
    pipeline.full_run()
    for number, (*_, is_deleted) in enumerate(people):
        if is_deleted:
            ghl.contacts[f"new{number}"] = anew[number]
    pipeline.full_run()

    out = [not mailed(mailjet, one.email or "") for one in anew.values()]
    writes = mailjet.writes
    pipeline.full_run()

    for is_out, (no, is_seen, is_deleted) in zip(out, people, strict=True):
        never_known = is_deleted and not is_seen and no == "dnd"
        assert is_out or no == "none" or never_known
    assert mailjet.writes == writes
