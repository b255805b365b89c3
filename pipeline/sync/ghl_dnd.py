"""GHL's do-not-disturb as a contact's record shows it, and who wrote it."""

from collections.abc import Mapping

from pipeline.sync.contact import Contact

OPEN_STATUSES = frozenset({"inactive"})
"""GHL documents `active`, `inactive` and `permanent` (SMS only). `active` means that
do-not-disturb is on; a word that we do not know is read as a no."""
BOUNCE_CODE = "mailjet-bounced"
"""What stands in `code` of an e-mail DND that we wrote because the address bounced: it
says nothing about what the person wants."""
OUR_CODES = ("mailjet-", "ghl-mailjet")
"""How the `code` of every e-mail DND of ours begins (`blocking.Reason`)."""


def ghl_opt_out(contact: Contact) -> bool | None:
    """Whether GHL says no to e-mail; None when this record cannot tell.

    `dnd` is the all-channel flag and can be true beside an inactive e-mail channel
    (GoHighLevel/highlevel-api-docs#264, read 2026-11): either one is a no. What we
    wrote there about an address that bounced is none.
    """
    return True if contact.dnd else email_opt_out(contact)


def email_opt_out(contact: Contact) -> bool | None:
    """What GHL's e-mail channel says, beside the flag for all channels."""
    return _email_says_no(contact, with_bounces=False)


def ghl_blocks(contact: Contact) -> bool | None:
    """Whether GHL sends no e-mail to the contact, for whatever reason."""
    return True if contact.dnd else _email_says_no(contact, with_bounces=True)


def is_ours(contact: Contact) -> bool:
    """Whether the e-mail DND in GHL was written by us, who had it from elsewhere."""
    channels = email_channels(contact.dnd_settings or {}).values()
    return any(_code(channel).startswith(OUR_CODES) for channel in channels)


def is_bounce_block(contact: Contact) -> bool:
    """Whether the e-mail DND in GHL is the one that we wrote for a bounce."""
    channels = email_channels(contact.dnd_settings or {}).values()
    return any(_is_ours_for_bounce(channel) for channel in channels)


def email_channels(settings: Mapping[str, object]) -> dict[str, object]:
    """The e-mail channel of `dndSettings`: `Email`, in v3 `email`."""
    return {name: one for name, one in settings.items() if name.lower() == "email"}


def email_detail(contact: Contact) -> str:
    """What a statement tells of the e-mail channel: our code, or GHL's status."""
    channels = email_channels(contact.dnd_settings or {}).values()
    codes = (code for c in channels if (code := _code(c)).startswith(OUR_CODES))
    return next(codes, email_status(contact))


def email_status(contact: Contact) -> str:
    """GHL's strictest word for the channel, in lower case; "" where it has none."""
    words = (_word(c) for c in email_channels(contact.dnd_settings or {}).values())
    return max(words, key=lambda word: (word not in OPEN_STATUSES, word), default="")


def _email_says_no(contact: Contact, *, with_bounces: bool) -> bool | None:
    if contact.dnd_settings is None:
        return None
    answers = [
        False
        if not with_bounces and _is_ours_for_bounce(channel)
        else _says_no(channel)
        for channel in email_channels(contact.dnd_settings).values()
    ]
    if True in answers:
        return True
    return None if None in answers else False


def _is_ours_for_bounce(channel: object) -> bool:
    return _code(channel) == BOUNCE_CODE


def _code(channel: object) -> str:
    return str(channel.get("code") or "") if isinstance(channel, Mapping) else ""


def _says_no(channel: object) -> bool | None:
    word = _word(channel)
    return word not in OPEN_STATUSES if word else None


def _word(channel: object) -> str:
    status = channel.get("status") if isinstance(channel, Mapping) else channel
    return str(status or "").strip().lower()
