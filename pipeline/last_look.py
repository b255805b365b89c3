"""Look at both sides once more, last of all before a mail leaves.

The turn that decided on it read both sides when it began. Since then it waited perhaps:
for tokens, for other mails, for the end of an answer that was lost. Who said no
meanwhile, and of whom no webhook told, is found by this look alone.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace

from pipeline.bootstrap import Kit
from pipeline.errors import BudgetSpent, PermanentError, Reach
from pipeline.ghl.client import GhlClient
from pipeline.permit import Lane, Permit
from pipeline.store.order_records import Ready
from pipeline.store.orders import HANDS
from pipeline.sync.reading import NOBODY, noes

TOGETHER_SECONDS = 1.0
"""For so long a look waits for others, to leave with them."""
LONGEST_SECONDS = 10.0
"""After that no look begins: what else the round took is leased for a minute."""


class LastLook:
    """Both sides of whoever is about to get a mail."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._policy = kit.policy(kit.require_record())
        self._until = time.monotonic() + LONGEST_SECONDS

    def still_stands(self, mail: Ready) -> bool:
        """Whether it is still time, and no side says more against a mail than it did.

        What cannot be read has changed as well: its own turn finds out how. A
        transactional mail asks nobody.

        Raises:
            BudgetSpent: no token, or no time; nothing was found out.
            VendorError: nor here, and not because of this contact.
        """
        permit, decided = Permit(Lane.LIVE), mail.payload
        if time.time() * 1000 >= decided["until_ms"]:
            return False
        if decided["transactional"]:
            return True
        if time.monotonic() > self._until:
            raise BudgetSpent(0)
        ghl, mailjet = self._kit.ghl(permit), self._kit.mailjet(permit)
        try:
            contact = ghl.get_contact(mail.order.contact_id)
            found = mailjet.get_contact(decided["mailjet_id"])
            lists = mailjet.contact_lists(found.contact_id)
        except PermanentError as error:
            if error.reach is Reach.CONNECTION:
                raise
            return False
        if contact.email != decided["email"] or found.is_erased:
            return False
        shown = noes(contact, replace(found, unsubscribed=lists), self._policy)
        others = (self._objects(id_, mail, ghl) for id_ in decided["sharers"])
        return set(shown) <= set(decided["noes"]) and not any(others)

    def _objects(self, sharer_id: str, mail: Ready, ghl: GhlClient) -> bool:
        """Whether another contact with the address says no, which is then found."""
        try:
            sharer = ghl.get_contact(sharer_id)
        except PermanentError as error:
            if error.reach is Reach.CONNECTION:
                raise
            return False
        is_sharer = sharer.email == mail.payload["email"]
        objects = is_sharer and bool(noes(sharer, NOBODY, self._policy))
        if objects:
            self._kit.ledger.mark(Lane.CONSENT, [sharer_id])
        return objects


def looked_at(
    mails: Sequence[Ready], look: Callable[[Ready], bool]
) -> Iterator[list[tuple[Ready, "Future[bool]"]]]:
    """Mails and what a look at each came to, those together that it just did.

    Args:
        look: called in threads of its own.
    """
    with ThreadPoolExecutor(HANDS) as pool:
        waiting = {pool.submit(look, mail): mail for mail in mails}
        while waiting:
            first, others = wait(waiting, return_when=FIRST_COMPLETED)
            more, _ = wait(others, timeout=TOGETHER_SECONDS)
            yield [(waiting.pop(done), done) for done in first | more]
