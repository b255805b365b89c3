"""Plain text of what GHL keeps as HTML, or as text: it does not tell which."""

import re
from html import unescape

from inscriptis import Inscriptis
from lxml.etree import ParserError
from lxml.html import HTMLParser, document_fromstring

MARKUP = re.compile(
    r"</?[a-z][a-z\d:-]*(?:[\s/][^<>]*)?>|<[!?][^<>]*>"
    r"|&(?:#\d+|#x[\da-f]+|[a-z]+\d*);",
    re.IGNORECASE,
)
"""`5 < 6`, `a<b` and `<ana@example.com>` are text: a tag has a name and an end."""
UNSEEN = re.compile(
    r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.IGNORECASE | re.DOTALL
)
TAG = re.compile(r"<[a-z/!?][^<>]*>", re.IGNORECASE)
LONGEST = 1_000_000
"""Characters of HTML that are read, in about a second; at most 10,000 of their text are
carried."""


def plain_text(body: str) -> str:
    """What a reader sees: no tags, no scripts, no entities.

    Where nothing looks like HTML it is the text as it is.
    """
    if not MARKUP.search(body):
        return body
    # A lone surrogate, which JSON can hold, is no text in UTF-8.
    encoded = body[:LONGEST].encode("utf-16", "surrogatepass")
    html = encoded.decode("utf-16", "replace")
    # As bytes, because a text must not declare an encoding of its own.
    parser = HTMLParser(encoding="utf-8")
    try:
        tree = document_fromstring(html.encode(), parser)
    except ParserError:
        # Nothing but comments.
        return ""
    if any(error.type_name == "ERR_RESOURCE_LIMIT" for error in parser.error_log):
        # libxml2 drops what is nested more than 255 deep, text and all.
        return unescape(TAG.sub(" ", UNSEEN.sub(" ", html)))
    text: str = Inscriptis(tree).get_text()
    return text
