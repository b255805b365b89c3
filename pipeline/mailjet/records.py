"""What Mailjet's calls give back, beside `pipeline.sync.contact.Subscriber`."""

from dataclasses import dataclass

from pipeline.sync.contact import Subscriber


@dataclass(frozen=True)
class SubscriberPage:
    """One page of an offset listing.

    Rows may move while a listing is read, and a faulty server may answer one page for
    ever (mailjet-apiv3-nodejs#291): whoever pages looks for ids seen before.

    Args:
        next_offset: None when this was the last page.
        bad_rows: ContactIDs of rows that could not be read, "" for a row without one.
    """

    subscribers: tuple[Subscriber, ...]
    next_offset: int | None
    bad_rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Property:
    """A contact property as defined, not a value of it.

    Args:
        name: lower-case, as Mailjet keeps it.
        datatype: `str`, `int`, `float`, `datetime` or `bool`.
        namespace: `static` or `historic`.
    """

    id: int
    name: str
    datatype: str
    namespace: str


@dataclass(frozen=True)
class ContactsList:
    id: int
    name: str
    deleted: bool
    subscriber_count: int | None


@dataclass(frozen=True)
class Recipient:
    """That a contact is, or was, in a list.

    Args:
        unsubscribed_ms: when it was unsubscribed, milliseconds since 1970 UTC; None
            where Mailjet tells no time.
    """

    id: int
    contact_id: int
    list_id: int
    unsubscribed: bool
    unsubscribed_ms: int | None = None


@dataclass(frozen=True)
class RecipientPage:
    """As SubscriberPage; `bad_rows` holds ids of recipients."""

    recipients: tuple[Recipient, ...]
    next_offset: int | None
    bad_rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class User:
    """The owner of the key; name and address are left out on purpose.

    Args:
        warned_ratelimit_at: when Mailjet last warned of a limit, RFC 3339, "" if never.
    """

    id: int
    warned_ratelimit_at: str


@dataclass(frozen=True)
class Sent:
    """What became of one message of a call that sends.

    Args:
        code: Mailjet's, such as `mj-0013`; "" where it was taken.
        status: the HTTP status that it would have had alone; 0 where it was taken.
        related: fields of the message, without their values.
    """

    custom_id: str
    code: str = ""
    status: int = 0
    related: tuple[str, ...] = ()

    @property
    def is_transient(self) -> bool:
        """Whether it may be taken later as it is."""
        # 401 is a key that is suspended, for which no mail is to blame.
        return self.status in {401, 429} or self.status >= 500

    @property
    def why(self) -> str:
        """What was wrong with it, without a value."""
        return " ".join((self.code, *self.related[:3]))


@dataclass(frozen=True)
class Draft:
    """A campaign.

    Args:
        status: -2 deleted, -1 archived, 0 draft, 1 programmed, 2 sent; None where
            Mailjet tells none that we know.
        list_id: 0 where it is not told.
    """

    id: int
    title: str
    status: int | None
    list_id: int = 0

    @property
    def is_open(self) -> bool:
        """Whether nobody has scheduled, sent or dropped it yet."""
        return self.status == 0
