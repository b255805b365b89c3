"""What a mapping for both ways writes comes back as news, and that ends in silence.

Both vendors rewrite what they are given: Mailjet cuts texts, GHL normalises phones.
"""

from collections.abc import Mapping, Sequence
from random import Random

import pytest
from redis import Redis

from pipeline.sync import ghl_dnd
from pipeline.sync.contact import Contact
from pipeline.sync.fields import Direction, Owner, Row
from tests.builders import VIP_LIST
from tests.feedback_vendors import Clock, FeedbackGhl, FeedbackMailjet
from tests.integration.echoing import WORDS, Echoing
from tests.integration.test_no_echo import STORM, come_to_rest, must_be_silent

BOTH, TO_GHL = Direction.BOTH, Direction.TO_GHL
STORMS = 6
CUT = 4
FIELDS = {
    "city": "city",
    "phone": "phone",
    "state": "state",
    "companyName": "company",
    "firstName": "firstname",
}
TEXTS = (*WORDS, "", "none", " x ")


class RewritingGhl(FeedbackGhl):
    """Phones lose what is no letter or digit; of tags it counts who loses which."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.removed: set[str] = set()
        self.adopted = 0

    def update_contact(
        self, contact_id: str, values: Mapping[str, object]
    ) -> Contact | None:
        held = dict(values)
        if phone := held.get("phone"):
            held["phone"] = "+" + "".join(filter(str.isalnum, str(phone)))
        self.adopted += held.keys() != {"dndSettings"}
        return super().update_contact(contact_id, held)

    def remove_tags(self, contact_id: str, tags: Sequence[str]) -> tuple[str, ...]:
        self.removed |= set(tags)
        return super().remove_tags(contact_id, tags)


class CuttingMailjet(FeedbackMailjet):
    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._rewrite = lambda text: text[:CUT]


class BothWays(Echoing):
    """Edits on both sides of every kind of row."""

    make_ghl, make_mailjet = RewritingGhl, CuttingMailjet
    rows = (
        Row(
            *("city", "city", "str", BOTH, Owner.NEWER),
            transforms=(("trim", None), ("default", "none")),
        ),
        Row("phone", "phone", "str", BOTH, Owner.MAILJET),
        Row("state", "state", "str", TO_GHL, clears=True),
        Row(
            *("companyName", "company", "str", BOTH),
            transforms=(("title", None),),
            clears=True,
        ),
        Row("tag:reader", f"list:{VIP_LIST + 1}", "bool", BOTH, Owner.MAILJET),
        Row("tag:lead", "is_lead", "bool", BOTH),
    )

    def _rename(self) -> None:
        if contact := self._anybody():
            changed = {self.random.choice([*FIELDS]): self.random.choice(TEXTS)}
            values = {**self.ghl.contacts[contact].values, **changed}
            self.ghl.edit(contact, values=values)
            self._post("ContactUpdate", contact, "")

    def _edit_properties(self) -> None:
        if email := self._somebody():
            properties = self.mailjet.somebody(email).properties
            properties[self.random.choice([*FIELDS.values()])] = self.random.choice(
                TEXTS
            )
            properties["is_lead"] = self.random.random() < 0.5

    def _join(self) -> None:
        """Or leave, without saying no."""
        if email := self._somebody():
            lists = self.mailjet.somebody(email).unsubscribed
            if lists.setdefault(VIP_LIST + 1, False) is False:
                del lists[VIP_LIST + 1]
            if self.random.random() < 0.6:
                lists.setdefault(VIP_LIST + 1, False)


@pytest.mark.timeout(120)
def test_a_mapping_for_both_ways_comes_to_rest_and_mails_nobody_who_said_no(
    redis: Redis,
) -> None:
    world = BothWays(redis, Random("both ways"))
    for _ in range(STORMS):
        for _ in range(STORM):
            world.step()
        come_to_rest(world)
        must_be_silent(world)
        for contact in world.ghl.contacts.values():
            if ghl_dnd.ghl_blocks(contact):
                person = world.mailjet.somebody(contact.email)
                lists = world.policy.managed_lists
                mailed = [i for i in lists if person.unsubscribed.get(i) is False]
                assert person.excluded or not mailed
    assert world.ghl.removed <= {"reader", "lead"}
    assert world.ghl.removed
    assert world.ghl.adopted, "nothing went to GHL"
