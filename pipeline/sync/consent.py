"""May we send marketing mail to this person? The stricter answer always wins.

What was said about it is kept as statements, each with its source and its time: a no
is newer than whatever came before it, and only a newer, explicit opt-in of the person
opens again what a no has closed. A flag that was cleared is nobody's consent.

Bounces are no statement about consent: they belong to the address, see `delivery`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from pipeline.sync.contact import Subscriber
from pipeline.sync.ghl_dnd import OUR_CODES
from pipeline.sync.mail_event import latest


class Verdict(StrEnum):
    """What consent says, in the words of the property `ghl_email_status`."""

    SUBSCRIBED = "subscribed"
    OPTED_OUT = "opted_out"
    COMPLAINED = "complained"

    @property
    def is_open(self) -> bool:
        return self is Verdict.SUBSCRIBED


STRICTNESS = tuple(Verdict)


class Source(StrEnum):
    """Who said something, as it is stored and shown."""

    GHL_ALL = "ghl-dnd"
    GHL_EMAIL = "ghl-email-dnd"
    MAILJET_LIST = "mailjet-unsubscribed"
    MAILJET_EXCLUDED = "mailjet-excluded"
    MAILJET_SPAM = "mailjet-complained"
    MAILJET = "mailjet"
    """Unsubscribed or excluded: the pages of everybody do not tell which."""
    EARLIER = "remembered"
    """Opted out when we did not keep yet who had said so."""
    OPT_IN = "opt-in"
    """The only yes: recorded by an operator, with its proof."""


OF_GHL = frozenset({Source.GHL_ALL, Source.GHL_EMAIL})
OF_MAILJET = (
    Source.MAILJET_LIST,
    Source.MAILJET_EXCLUDED,
    Source.MAILJET_SPAM,
    Source.MAILJET,
)


@dataclass(frozen=True)
class Statement:
    """One thing that was said about mailing a person.

    Args:
        at_ms: when, by the vendor's clock; where it tells no time, when we first saw
            it. Milliseconds since 1970 UTC.
        detail: list ids, a status of GHL's, a proof; never an address or a name.
        stands: the source still said so when it was last looked at.
    """

    source: Source
    at_ms: int
    detail: str = ""
    stands: bool = True


Record = Mapping[Source, Statement]
"""Of each source the newest statement."""
NOTHING: Record = {}


def unanswered(record: Record) -> Record:
    """Every no that no later opt-in answers."""
    yes = record.get(Source.OPT_IN)
    return {
        source: said
        for source, said in record.items()
        if source is not Source.OPT_IN and (yes is None or said.at_ms >= yes.at_ms)
    }


def decide(record: Record) -> Verdict:
    """What follows from all that was said: one unanswered no is enough."""
    noes = unanswered(record)
    if Source.MAILJET_SPAM in noes:
        return Verdict.COMPLAINED
    return Verdict.OPTED_OUT if noes else Verdict.SUBSCRIBED


def strictest(verdicts: Iterable[Verdict]) -> Verdict:
    """Of several answers the strictest; open without any."""
    return max(verdicts, key=STRICTNESS.index, default=Verdict.SUBSCRIBED)


def joined(*records: Record) -> Record:
    """All statements of several records, of each source the newest.

    What comes twice, or in another order, comes to the same.
    """
    found: dict[Source, Statement] = {}
    for record in records:
        for source, said in record.items():
            known = found.get(source)
            if known is None or _rank(said) > _rank(known):
                found[source] = said
    return found


def absorbed(own: Record, told: Record) -> Record:
    """A record with what is newer in another; the same object where nothing is.

    Of two statements of one time the own one stays, which knows whether it stands.
    What is told late and was answered already does not: we may have taken it back.
    """
    yes = own.get(Source.OPT_IN)
    newer = {}
    for source, said in told.items():
        known = own.get(source)
        answered = yes is not None and said.at_ms < yes.at_ms
        if known is None:
            newer[source] = replace(said, stands=said.stands and not answered)
        elif said.at_ms > known.at_ms and not answered:
            newer[source] = _beside(known, said)
    return {**own, **newer} if newer else own


def _beside(known: Statement, said: Statement) -> Statement:
    """A newer statement; the words of one that stands still stand."""
    words = [*(known.detail.split() if known.stands else ()), *said.detail.split()]
    return replace(said, detail=" ".join(dict.fromkeys(words)))


def observed(
    record: Record,
    source: Source,
    *,
    says_no: bool,
    now_ms: int,
    at_ms: int | None = None,
    detail: str = "",
) -> Record:
    """A record after a look at one source; the same object where it tells nothing new.

    A no without a time that stood already keeps the time when it was first seen. One
    that went and came again, or says more than it did, is a new one.

    Args:
        at_ms: the vendor's time, None where it tells none.
        detail: words; a no with words that were not there before is a new one.
    """
    known = record.get(source)
    if not says_no:
        if known is None or not known.stands:
            return record
        return {**record, source: replace(known, stands=False)}
    if known is not None and known.stands:
        same = set(detail.split()) <= set(known.detail.split())
        if same and (at_ms is None or at_ms <= known.at_ms):
            still = replace(known, detail=detail)
            return record if still == known else {**record, source: still}
    when = now_ms if at_ms is None else latest(at_ms, now_ms)
    if known is not None:
        when = max(when, known.at_ms)
    return {**record, source: Statement(source, when, detail)}


def opted_in(record: Record, at_ms: int, proof: str) -> Record:
    """A record with an explicit opt-in of the person; an older one changes nothing."""
    return joined(record, {Source.OPT_IN: Statement(Source.OPT_IN, at_ms, proof)})


def is_reopened(record: Record) -> bool:
    """Whether something was closed, and an opt-in answers all of it."""
    noes = record.keys() - {Source.OPT_IN}
    return Source.OPT_IN in record and bool(noes) and decide(record).is_open


def ghls_own(record: Record) -> bool:
    """Whether GHL itself has a no, which is not only ours repeated."""
    noes = unanswered(record)
    return any(
        source in noes and not noes[source].detail.startswith(OUR_CODES)
        for source in OF_GHL
    )


def mailjet_opt_out(subscriber: Subscriber, *, account_wide: bool) -> bool:
    """Whether Mailjet has a no from this person.

    Args:
        account_wide: an unsubscription from any list of the account counts, not only
            the exclusion from all campaigns.
    """
    if subscriber.excluded or subscriber.complained:
        return True
    return account_wide and any((subscriber.unsubscribed or {}).values())


def _rank(said: Statement) -> tuple[int, str, bool]:
    """The newest first; of one time the same whichever came first."""
    return said.at_ms, said.detail, said.stands
