"""What is compared: evidence joined to one verdict, and both sides with their base."""

from collections.abc import Mapping

from pipeline.sync import consent
from pipeline.sync.case import Case
from pipeline.sync.consent import Verdict
from pipeline.sync.contact import Contact, Subscriber
from pipeline.sync.diff import Inheritance, Sides
from pipeline.sync.ports import Evidence
from pipeline.sync.reading import says_no
from pipeline.sync.snapshot import Snapshot


class Comparison(Case):
    """A case, and how its sides are put together."""

    def base(self, address: bytes) -> Snapshot | None:
        """The snapshot, where it is of this address and this mapping."""
        remembered = self.memory.snapshot
        wanted = (address, self.policy.field_map.digest)
        if remembered and (remembered.address, remembered.digest) == wanted:
            return remembered
        return None

    def sides(
        self,
        contact: Contact,
        address: bytes,
        evidence: Evidence,
        subscriber: Subscriber | None,
        heir: Inheritance | None,
        values: Mapping[str, str],
    ) -> Sides:
        """Both sides.

        Args:
            values: what the activities around the contact come to, by column.
        """
        policy, remembered = self.policy, self.memory.snapshot
        base = self.base(address)
        verdict = self._verdict(contact, evidence, subscriber, heir)
        return Sides(
            wanted={**policy.field_map.desired(contact, verdict), **values},
            verdict=verdict,
            base=base,
            subscriber=subscriber,
            seen=self.memory.seen if base else None,
            list_id=policy.list_id,
            writes_properties=not has_older(contact, evidence.sharers),
            exclude=policy.exclude_opted_out
            and bool(
                consent.ghl_opt_out(contact)
                or evidence.in_ghl_set
                or (remembered and remembered.excluded)
                or (heir and heir.excluded)
            ),
            inherits=heir,
        )

    def _verdict(
        self,
        contact: Contact,
        evidence: Evidence,
        subscriber: Subscriber | None,
        heir: Inheritance | None,
    ) -> Verdict:
        remembered = self.memory.snapshot
        return consent.decide(
            ghl=consent.ghl_opt_out(contact) or bool(evidence.in_ghl_set),
            mailjet=evidence.in_mailjet_set
            or bool(heir and heir.opted_out)
            or bool(subscriber and says_no(subscriber, self.policy)),
            remembered=bool(remembered and remembered.opted_out),
            sharers=evidence.address_in_ghl_set
            or any(sharer.opted_out for sharer in evidence.sharers.values()),
            complained=bool(subscriber and subscriber.complained)
            or bool(remembered and remembered.complained),
        )


def has_older(contact: Contact, sharers: Mapping[str, Snapshot]) -> bool:
    """Of contacts that share an address the oldest writes the properties."""
    own = (contact.date_added_ms or 0, contact.id)
    return any((other.added_ms, id_) < own for id_, other in sharers.items())
