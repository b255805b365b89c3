"""Unsubscribe somebody from the lists that are kept beside the connection's own."""

from collections.abc import Iterable

from pipeline.errors import Reach, Rejected
from pipeline.sync.contact import ListAction
from pipeline.sync.ports import Mailjet


def unsubscribe(mailjet: Mailjet, mailjet_id: int, list_ids: Iterable[int]) -> None:
    """Unsubscribe from each of them that there is.

    Mailjet refuses all of a call for one list that is gone. Nobody is mailed by that
    one, so it must keep nobody on the others.

    Raises:
        Rejected: for another reason.
        VendorError: see `pipeline.errors`.
    """
    leaves = dict.fromkeys(list_ids, ListAction.UNSUBSCRIBE)
    if not leaves:
        return
    try:
        mailjet.manage_lists(mailjet_id, leaves)
    except Rejected as error:
        if error.reach is not Reach.CONNECTION:
            raise
        for list_id in leaves if len(leaves) > 1 else ():
            unsubscribe(mailjet, mailjet_id, [list_id])
