"""One answer of a vendor in, its data or one of our errors out; pure.

All knowledge of how the two vendors say *no* is here: statuses, texts and the shapes
of error bodies. No machine-readable code exists for most of it, so texts are matched.
What follows from an error is none of this module's business (`pipeline/retry.py`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline import redaction
from pipeline.errors import (
    Ambiguous,
    BadPayload,
    NotFound,
    PermanentError,
    RateLimited,
    Reach,
    Rejected,
    ScopeMissing,
    Unauthorized,
    VendorDown,
    VendorError,
)
from pipeline.waiting import retry_after_seconds

_Error = TypeVar("_Error", bound=VendorError)

# "Contact not found for id:X", "Contact with id X not found", the same for a business:
# GHL answers 400 to an id that it does not know (measured 2026-09). Its words for a
# task, a note and a calendar are published nowhere: all usual ones are taken.
_GHL_NOT_FOUND = re.compile(
    r"^\W*(?:the )?(contact|business|location|task|note|calendar)\b"
    r"(?:(?: with)? id\b\W*\S+)?\W+(?:was |is |does )?(?:not found|not exist)",
    re.IGNORECASE,
)
# What a missing property or list looks like in Mailjet's 400 (guides/_newsletter.md,
# mailjet/mailjet-apiv3-nodejs#293, read 2026-11): nobody's sync can work until `setup`.
_MAILJET_SETUP_MISSING = re.compile(
    r"not defined|invalid key name|object properties invalid|listid missing"
)
# GHL's words, then Mailjet's, in the order in which they are worth reading.
_WORD_KEYS = ("message", "error_description", "ErrorMessage", "ErrorInfo")
_MESSAGE_KEYS = {*_WORD_KEYS, "error", "statusCode", "StatusCode"}
_CODE = re.compile(r"[a-z]{2,8}-\d{4}")
# The Send API's 403s are about a sender, not about the key (guides/_send-api.md).
_OF_A_MAIL = re.compile(r"send-\d{4}\Z")
# What a list or a location is to us: part of the settings, not of a contact.
_BELONGS_TO_CONNECTION = re.compile(r"/contactslist/|/locations/")


@dataclass(frozen=True)
class _Refusal:
    """An answer that is no success, with the words found in it.

    Args:
        spoken: the body was the vendor's own JSON, not a page of some proxy.
        duplicate_of, duplicate_field: GHL's `meta.contactId` and `matchingField`.
        code: Mailjet's `ErrorCode`, as its Send API has it.
        properties: what Mailjet says of each property that it refuses.
    """

    vendor: str
    route: str
    status: int
    words: str
    trace_id: str
    spoken: bool
    duplicate_of: str | None
    duplicate_field: str | None
    code: str
    properties: Mapping[str, str]

    def become(
        self,
        error: type[_Error],
        *,
        reach: Reach | None = None,
        detail: str | None = None,
    ) -> _Error:
        return error(
            self.vendor,
            self.route,
            self.status,
            redaction.redact(self.words) if detail is None else detail,
            trace_id=self.trace_id,
            reach=reach,
        )


def classify(
    vendor: str,
    route: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    writes: bool,
    parts: str = "",
) -> Any:
    """What an answer holds, None where it is empty (204, 304).

    Args:
        route: method and template, such as `GET /contacts/:contactId`.
        headers: case-insensitive.
        writes: whether the call changes something: what its lost answer means.
        parts: name of a list in which the answer tells of each part of the call; then
            a 4xx that has one is an answer, one that says nothing is none, and no 5xx
            says that nothing was done.

    Raises:
        RateLimited: 429; wait `retry_after_seconds`.
        VendorDown: 5xx, or an answer that no working vendor sends; again later, and not
            before `retry_after_seconds` where a 503 names them.
        Ambiguous: a write that may have been carried out; look before trying again.
        Unauthorized: 401, 403; the credential, for the whole connection; ScopeMissing
            where it works for other routes.
        NotFound: 404, or GHL's 400 that says so; a missing list reaches the connection.
        Rejected: any other 4xx; `duplicate_of`, `duplicate_field` are set where GHL
            names the contact that exists; a Mailjet property that is not defined
            reaches the connection.
        BadPayload: a redirect, or a 404 that is not the vendor's: a wrong base URL.

    Source: https://github.com/GoHighLevel/highlevel-api-docs (common schemas, issues),
        https://dev.mailjet.com/email/reference/overview/errors/, read 2026-11.
    """
    if 200 <= status < 300:
        return _data(vendor, route, status, body, writes=writes)
    if status == 304:
        return None
    refusal = _read_refusal(vendor, route, status, body)
    if status == 429:
        raise RateLimited(
            vendor,
            route,
            detail=redaction.redact(refusal.words),
            trace_id=refusal.trace_id,
            retry_after_seconds=retry_after_seconds(headers),
        )
    if status < 400:
        detail = "redirects are not followed; check the base URL"
        raise refusal.become(BadPayload, reach=Reach.CONNECTION, detail=detail)
    if status >= 500 or status in {408, 425}:
        # 503 and the two below 500 say that nothing was done; other failures may come
        # after the work, as GHL's own reports show (highlevel-api-docs#64). A gateway
        # says 503 as well where the connection behind it broke: a mail, which nothing
        # takes back, is looked up even so.
        undone = not writes or (status in {408, 425, 503} and not parts)
        failure = refusal.become(VendorDown if undone else Ambiguous)
        failure.retry_after_seconds = retry_after_seconds(headers)
        raise failure
    if parts and status != 401 and (told := _in_parts(body, parts)):
        return told
    if status in {401, 403} and not _OF_A_MAIL.match(refusal.code):
        raise _forbidden(refusal)
    if status == 404:
        raise _not_found(refusal)
    if parts and not refusal.spoken and status != 413:
        raise refusal.become(BadPayload, reach=Reach.CALL, detail="no such answer")
    raise _rejection(refusal)


def lost(vendor: str, route: str, detail: str, *, writes: bool) -> VendorError:
    """The error for an answer that never came whole: a write may have been done."""
    return (Ambiguous if writes else VendorDown)(vendor, route, None, detail)


def _data(vendor: str, route: str, status: int, body: bytes, *, writes: bool) -> Any:
    if not body or body.isspace():
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        detail = "the body is not JSON"
    raise (Ambiguous if writes else VendorDown)(vendor, route, status, detail)


def _in_parts(body: bytes, name: str) -> dict[str, Any] | None:
    """What was said, if it tells of each part of the call."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and said.get(name) else None


def _read_refusal(vendor: str, route: str, status: int, body: bytes) -> _Refusal:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    match said:
        case {"Errors": [dict() as first, *_]}:
            # The Send API's, of a call as a whole (mailjet-apiv3-java#103).
            said = first
    spoken = isinstance(said, dict) and not _MESSAGE_KEYS.isdisjoint(said)
    if not isinstance(said, dict):
        said = {"message": _page(body)}
    meta = said.get("meta")
    duplicate = meta if isinstance(meta, dict) else {}
    return _Refusal(
        vendor,
        route,
        status,
        words="; ".join(
            filter(None, (_flat(said[key]) for key in _WORD_KEYS if key in said))
        ),
        trace_id=redaction.trace_id(said.get("traceId") or said.get("ErrorIdentifier")),
        spoken=spoken,
        duplicate_of=_flat(duplicate.get("contactId")) or None,
        duplicate_field=_flat(duplicate.get("matchingField")) or None,
        code=str(said.get("ErrorCode", "")),
        properties=_refused_properties(said.get("ErrorInfo")),
    )


def _refused_properties(info: object) -> Mapping[str, str]:
    """Mailjet's words on each property that it refuses (guides/_newsletter.md)."""
    rows = info.get("Properties") if isinstance(info, dict) else None
    told = (
        [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    )
    return {name: _flat(words).lower() for row in told for name, words in row.items()}


def _page(body: bytes) -> str:
    if not body.lstrip().startswith(b"<"):
        return body[:4_000].decode("utf-8", "replace")
    return "an HTML page, error 1010" if b"1010" in body else "an HTML page"


def _flat(value: object, depth: int = 4) -> str:
    """The words of a message that is a string here, a list or an object there."""
    if isinstance(value, str):
        return value
    if depth and isinstance(value, list):
        return "; ".join(_flat(item, depth - 1) for item in value[:20])
    if depth and isinstance(value, dict):
        return "; ".join(
            f"{key}: {_flat(item, depth - 1)}" for key, item in value.items()
        )
    return "" if value is None or isinstance(value, list | dict) else str(value)


def _forbidden(refusal: _Refusal) -> PermanentError:
    words = refusal.words.lower()
    error = Unauthorized
    if refusal.vendor == "mailjet" and "operation not allowed" in words:
        # Mailjet's 401 for `DELETE /v3/REST/contact` has nothing to do with the key
        # (mailjet-apiv3-php#98, read 2026-11).
        return refusal.become(Rejected)
    if "scope" in words or "user type mismatch" in words:
        why, error = "the token lacks a scope", ScopeMissing
    elif "access to this location" in words:
        why = "the token belongs to another location"
    elif "1010" in words:
        why = "refused at the edge (Cloudflare 1010)"
    else:
        why = "the credential is refused"
    detail = f"{why}: {redaction.redact(refusal.words)}"
    return refusal.become(error, detail=detail[: redaction.MAX_CHARACTERS])


def _not_found(refusal: _Refusal) -> PermanentError:
    if not refusal.spoken or refusal.words.startswith("Cannot "):
        # A proxy's page or a router's "Cannot GET /x" says nothing about a contact;
        # taken for one it would make everybody look deleted.
        detail = "no such route; check the base URL"
        return refusal.become(BadPayload, reach=Reach.CONNECTION, detail=detail)
    return refusal.become(NotFound, reach=_reach_of_missing(refusal.route))


def _rejection(refusal: _Refusal) -> PermanentError:
    if refusal.vendor == "ghl" and refusal.status == 400:
        match = _GHL_NOT_FOUND.match(refusal.words)
        # Only what the route addresses can be missing in that sense: an update may be
        # refused because of a business that does not exist.
        if match and match[1].lower() in refusal.route.lower():
            return refusal.become(NotFound, reach=_reach_of_missing(refusal.route))
    reach = None
    words = refusal.words.lower()
    if refusal.vendor == "mailjet" and _MAILJET_SETUP_MISSING.search(words):
        only_type = "type does not match" in words and "not defined" not in words
        reach = Reach.CONTACT if only_type else Reach.CONNECTION
    error = refusal.become(Rejected, reach=reach)
    if all("type does not match" in one for one in refusal.properties.values()):
        error.misfits = frozenset(refusal.properties)
    error.duplicate_of = refusal.duplicate_of
    error.duplicate_field = refusal.duplicate_field
    error.code = refusal.code if _CODE.fullmatch(refusal.code) else ""
    return error


def _reach_of_missing(route: str) -> Reach | None:
    return Reach.CONNECTION if _BELONGS_TO_CONNECTION.search(route) else None
