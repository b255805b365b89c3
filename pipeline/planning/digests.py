"""A write as eight bytes that tell no value and change with every value of it."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from hashlib import blake2b

from pipeline.planning.watched import Call
from pipeline.sync.activity import Note, Task
from pipeline.sync.aggregates import iso
from pipeline.sync.contact import Contact, Subscriber
from pipeline.sync.snapshot import Fingerprint

DIGEST_BYTES = 8
WHEN = re.compile(r" on \d{4}-\d\d-\d\dT[0-9:.]+Z?(?=; written by ghl-mailjet)")
"""When something was said is when we heard of it, where no vendor tells."""


class Digests:
    """Digests under the key of the setup.

    What differs between a plan and its application without meaning anything is left
    out: Mailjet's number of somebody new, GHL's of what we make, and the clock. Safe to
    share between threads.
    """

    def __init__(self, fingerprint: Fingerprint) -> None:
        self._fingerprint = fingerprint
        self._people: dict[int, str] = {}
        self._made: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def met(self, subscriber: Subscriber) -> None:
        """Learn who has a ContactID."""
        if subscriber.email:
            self._people[subscriber.contact_id] = subscriber.email

    def made(self, contact_id: str, item: object, digest: bytes) -> None:
        """A write in the sync of a contact made this: its number, and its time, are
        others whenever it is made."""
        known = self._made[contact_id]
        if isinstance(item, Note | Task | Contact):
            known[item.id] = digest.hex()
        if isinstance(item, Note) and item.added_ms:
            known[iso(item.added_ms)] = f"{digest.hex()} added"
        if isinstance(item, Task) and item.due_ms:
            known[iso(item.due_ms)] = f"{digest.hex()} due"

    def of(self, contact_id: str, call: Call) -> bytes:
        """The digest of a write within the sync of a contact."""
        facts = [call.vendor, call.method, self._whom(call), _lasting(call.facts)]
        text = json.dumps(facts, sort_keys=True, default=str)
        for made, name in self._made[contact_id].items():
            text = text.replace(made, name)
        key = self._fingerprint.key
        return blake2b(
            text.encode("utf-8", "surrogatepass"),
            key=key,
            digest_size=DIGEST_BYTES,
            person=b"write",
        ).digest()

    def _whom(self, call: Call) -> str:
        if call.vendor == "ghl":
            return str(call.whom)
        known = call.whom
        email = self._people.get(known) if isinstance(known, int) else known
        if email is None:
            return str(known)
        return self._fingerprint.address(email).hex()


def _lasting(facts: Mapping[str, object]) -> dict[str, object]:
    """Without what the clock makes."""
    kept = {key: value for key, value in facts.items() if key != "due_ms"}
    values = kept.get("values")
    if isinstance(values, Mapping) and "dndSettings" in values:
        words = json.dumps(values["dndSettings"], default=str)
        kept["values"] = {**values, "dndSettings": json.loads(WHEN.sub("", words))}
    return kept
