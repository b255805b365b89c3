"""Mailjet's side of one contact, really read: who is there now, and what they said."""

from dataclasses import replace

from pipeline.errors import NotFound
from pipeline.sync import consent, ghl_dnd
from pipeline.sync.consent import Source
from pipeline.sync.contact import Contact, ListAction, Subscriber
from pipeline.sync.ports import Evidence, Mailjet, Policy
from pipeline.sync.sides import Inheritance
from pipeline.sync.snapshot import Snapshot

NOBODY = Subscriber(0, properties={}, excluded=False, unsubscribed={})


def read_subscriber(mailjet: Mailjet, mailjet_id: int, email: str) -> Subscriber:
    """The subscriber with all that three reads tell; `NOBODY` when there is none.

    Args:
        mailjet_id: asked for first; 0 when unknown. Somebody who was erased in Mailjet
            may have come back since, with the same address under another id.
        email: "" when it is unknown.
    """
    known_by: int | str
    for known_by in (mailjet_id, email):
        if not known_by:
            continue
        try:
            found = mailjet.get_contact(known_by)
        except NotFound:
            continue
        if not found.is_erased:
            return replace(
                found,
                properties=mailjet.contact_data(found.contact_id),
                unsubscribed=mailjet.contact_lists(found.contact_id),
            )
    return NOBODY


def says_no(subscriber: Subscriber, policy: Policy, *, bounced: bool) -> bool:
    """Whether Mailjet has a no; one to a list of ours is one in either scope.

    Args:
        bounced: the address was excluded because it takes no mail, which is none.
    """
    if bounced:
        subscriber = replace(subscriber, excluded=False)
    if consent.mailjet_opt_out(subscriber, account_wide=policy.optout_scope_account):
        return True
    lists = subscriber.unsubscribed or {}
    return any(lists.get(list_id) for list_id in policy.managed_lists)


def noes(contact: Contact, subscriber: Subscriber, policy: Policy) -> tuple[str, ...]:
    """Every no that both sides show, whoever said it and whatever answers it.

    Made to be compared: of two looks the later one shows more where a no came between.
    """
    lists = {id_ for id_, gone in (subscriber.unsubscribed or {}).items() if gone}
    if not policy.optout_scope_account:
        lists &= set(policy.managed_lists)
    shown = {
        Source.GHL_ALL: contact.dnd,
        Source.GHL_EMAIL: ghl_dnd.email_opt_out(contact),
        Source.MAILJET_EXCLUDED: subscriber.excluded,
        Source.MAILJET_SPAM: subscriber.complained,
        **{f"{Source.MAILJET_LIST} {id_}": True for id_ in lists},
    }
    return tuple(sorted(word for word, says_no in shown.items() if says_no))


def read_inheritance(
    mailjet: Mailjet, policy: Policy, old: Snapshot, evidence: Evidence
) -> Inheritance:
    """Read the old address of a contact whose address is another now.

    Args:
        evidence: of the old address, which another contact may still have.
    """
    was = read_subscriber(mailjet, old.mailjet_id, "")
    said_no = says_no(was, policy, bounced=old.bounced)
    lists = was.unsubscribed or {}
    active = tuple(i for i, gone in lists.items() if not gone)
    stays = bool(evidence.sharers)
    ours = () if stays else (i for i in active if i in policy.managed_lists)
    leave = ListAction.UNSUBSCRIBE if said_no else ListAction.REMOVE
    return Inheritance(
        mailjet_id=old.mailjet_id,
        lists=active,
        properties={k: v for k, v in (was.properties or {}).items() if v},
        opted_out=said_no,
        excluded=bool(was.excluded) and not old.bounced,
        leaves=dict.fromkeys(ours, leave),
        was=was,
        told=evidence.told.record,
    )
