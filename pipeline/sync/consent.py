"""May we send marketing mail to this person? The stricter answer always wins.

Evidence comes from both sides and from what we remember. Nothing here ever turns an
opt-out into consent: only the person's own newer opt-in could, and that is recorded
elsewhere, never inferred from a flag that was cleared.
"""

from collections.abc import Mapping
from enum import StrEnum

from pipeline.sync.contact import Contact, Subscriber

OPEN_STATUSES = frozenset({"inactive"})
"""GHL documents `active`, `inactive` and `permanent` (SMS only). `active` means that
do-not-disturb is on; a word that we do not know is read as a no."""


class Verdict(StrEnum):
    """What consent says, in the words of the property `ghl_email_status`."""

    SUBSCRIBED = "subscribed"
    OPTED_OUT = "opted_out"
    COMPLAINED = "complained"

    @property
    def is_open(self) -> bool:
        return self is Verdict.SUBSCRIBED


def ghl_opt_out(contact: Contact) -> bool | None:
    """Whether GHL says no to e-mail; None when this record cannot tell.

    `dnd` is the all-channel flag and can be true beside an inactive e-mail channel
    (GoHighLevel/highlevel-api-docs#264, read 2026-11): either one is a no.
    """
    if contact.dnd:
        return True
    if contact.dnd_settings is None:
        return None
    answers = [
        _says_no(channel)
        for name, channel in contact.dnd_settings.items()
        if name.lower() == "email"
    ]
    if True in answers:
        return True
    return None if None in answers else False


def mailjet_opt_out(subscriber: Subscriber, *, account_wide: bool) -> bool:
    """Whether Mailjet has a no from this person.

    Args:
        account_wide: an unsubscription from any list of the account counts, not only
            the exclusion from all campaigns.
    """
    if subscriber.excluded or subscriber.complained:
        return True
    return account_wide and any((subscriber.unsubscribed or {}).values())


def decide(
    *, ghl: bool, mailjet: bool, remembered: bool, sharers: bool, complained: bool
) -> Verdict:
    """Join all evidence of a no: one is enough.

    Args:
        ghl: this contact's record, or GHL's set of opted-out contacts.
        mailjet: the account's unsubscriptions and exclusions.
        remembered: an opt-out we saw before. That GHL's flag was cleared since is no
            consent: only the person can give that.
        sharers: another contact with the same address opted out.
        complained: there was a spam complaint.
    """
    if complained:
        return Verdict.COMPLAINED
    if ghl or mailjet or remembered or sharers:
        return Verdict.OPTED_OUT
    return Verdict.SUBSCRIBED


def _says_no(channel: object) -> bool | None:
    status = channel.get("status") if isinstance(channel, Mapping) else channel
    word = str(status or "").strip().lower()
    return word not in OPEN_STATUSES if word else None
