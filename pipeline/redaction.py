"""What may be repeated of the words of a vendor: everything but persons and secrets.

Mailjet quotes the address it refuses, GHL the value; both end in logs, in Flower and in
dead letters, none of which may hold an e-mail address, a phone number or a token.
"""

import re

MAX_CHARACTERS = 200
_LONGEST_READ = 4_000

# Whole words around an @ go, quotes and brackets included: an address may hold nearly
# any character (RFC 5322), and too much removed is better than half of an address.
_ADDRESS = re.compile(
    r'"[^"\n]*"(?:@|%40|\uff20)\S*|\S*(?:@|%40|\uff20)\S*', re.IGNORECASE
)
_QUOTED_VALUE = re.compile(
    r"""(\b(?:value|address|e-?mail)\b\W{0,3}?)("[^"]*(?:"|$)|'[^']*(?:'|$))""",
    re.IGNORECASE,
)
_QUERY = re.compile(r"\?\S*=\S*")
_TOKEN = re.compile(
    r"\b(?:Bearer|Basic)\s+\S+|\bpit-[\w-]+|\beyJ[\w-]+\.[\w.-]+|[\w-]{32,}",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<!\w)\+?\d[\d ().-]{6,}\d(?!\w)")
_TRACE_ID = re.compile(r"[\w:-]{1,64}", re.ASCII)


def redact(text: str) -> str:
    """One line of at most 200 characters without persons, secrets and queries.

    Addresses, long numbers (phones), tokens, query strings and what is quoted after
    `value` or `address` become `<address>`, `<number>`, `<token>`, `?<query>` and
    `<value>`.
    """
    text = " ".join(text[:_LONGEST_READ].split())
    text = _ADDRESS.sub("<address>", text)
    text = _QUOTED_VALUE.sub(r"\1<value>", text)
    text = _QUERY.sub("?<query>", text)
    text = _TOKEN.sub("<token>", text)
    text = _NUMBER.sub("<number>", text)
    return text[:MAX_CHARACTERS]


def trace_id(value: object) -> str:
    """The vendor's trace id, "" where it does not look like one."""
    text = str(value or "")
    return text if _TRACE_ID.fullmatch(text) else ""
