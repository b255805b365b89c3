"""Where GHL's OpenAPI files are known to be wrong or silent, read 2026-11.

Each line is one deviation that we allow, with the reason.
"""

from fnmatch import fnmatchcase
from typing import NamedTuple

from tests.openapi import Finding


class Exemption(NamedTuple):
    """Findings that fit these patterns are no fault of ours."""

    route: str
    place: str
    where: str
    problem: str
    reason: str

    def covers(self, finding: Finding) -> bool:
        return all(
            fnmatchcase(text, pattern)
            for text, pattern in zip(finding, self, strict=False)
        )


EXEMPTIONS = (
    Exemption(
        "*",
        "answer *",
        "*.traceId",
        "unknown",
        "every answer carries one (docs/oauth, Overview)",
    ),
    Exemption(
        "*",
        "answer 400",
        "*.error",
        "unknown",
        "400 carries the title like its siblings (common-schemas.json has it for 401)",
    ),
    Exemption(
        "*",
        "answer 403",
        "",
        "status unknown",
        "another location's id; named in v3's schemas only",
    ),
    Exemption(
        "*",
        "answer 429",
        "",
        "status unknown",
        "the limits are documented apart from the files",
    ),
    Exemption("*", "answer 500", "", "status unknown", "no file names a 5xx"),
    Exemption(
        "POST /contacts/search",
        "request",
        ".*",
        "unknown",
        "`SearchBodyV2DTO` is empty; the body is on the page Contacts Search API",
    ),
    Exemption(
        "POST /contacts/search",
        "answer 200",
        "",
        "no schema",
        "its rows are on the same page only",
    ),
    Exemption(
        "GET /contacts/search/duplicate",
        "answer 200",
        "",
        "no schema",
        "no file shows what it answers",
    ),
    Exemption(
        "POST /locations/:locationId/tasks/search",
        "answer 201",
        "",
        "status unknown",
        "the file says 200 and `tasks: array of array`; live answers are 201 (2026-09)",
    ),
    Exemption(
        "GET /contacts/",
        "answer 200",
        ".meta",
        "unknown",
        "`ContactsMetaSchema` is there, but nothing refers to it",
    ),
    Exemption(
        "GET /contacts/*",
        "answer 200",
        ".contacts.#.*Name",
        "unknown",
        "live rows have them (highlevel-api-docs#314); the schema has no name at all",
    ),
    Exemption(
        "GET /contacts/*",
        "answer 200",
        ".contacts.#.*NameRaw",
        "unknown",
        "live rows keep the spelling there",
    ),
    Exemption(
        "GET /contacts/*",
        "answer 200",
        ".contacts.#.*",
        "null",
        "live rows hold null where nothing was ever set; nothing is `nullable`",
    ),
    Exemption(
        "GET /contacts/*",
        "answer 200",
        ".contacts.#.customFields.#.value",
        "a *",
        "the schema knows texts only; the webhook's: string, number, array or object",
    ),
    Exemption(
        "POST /contacts/",
        "request",
        ".dateOfBirth",
        "a string",
        "typed `object`, with a text as example and eight text formats",
    ),
    Exemption(
        "* /contacts/:contactId/tasks*",
        "answer 20?",
        ".task*.assignedTo",
        "null",
        "a task that nobody was given",
    ),
    Exemption(
        "* /contacts/:contactId/notes*",
        "answer 20?",
        ".note*.userId",
        "null",
        "a note that an integration wrote",
    ),
    Exemption(
        "GET *",
        "answer 200",
        ".events.#.*Id",
        "null",
        "an appointment without an owner or a group",
    ),
    Exemption(
        "GET /calendars/events",
        "answer 200",
        ".events.#.*",
        "a string",
        "times are typed `object`, with texts as examples",
    ),
    Exemption(
        "* /contacts/*",
        "answer 200",
        ".contact.additionalEmails",
        "unknown",
        "live contacts have it (highlevel-api-docs#289)",
    ),
)
