"""The filter language of the contact search, compiled into one test per row.

Source: HighLevel, Contacts Search API page ("Filters", "Operators"), read 2026-11; the
`dndSettings` fields were announced by HighLevel's staff in 2026-06.
"""

from collections.abc import Callable
from typing import Any

from pipeline.sandbox.ghl.errors import bad_request
from pipeline.sandbox.ghl.times import from_millis, to_millis
from pipeline.sandbox.wire import Row

Test = Callable[[Row], bool]
MAX_VALUE_LENGTH = 75
DATE_FIELDS = frozenset(
    {"dateAdded", "dateUpdated", "lastEmailClickedDate", "lastEmailOpenedDate"}
)
WORD_FIELDS = frozenset(
    {
        "assignedTo",
        "businessName",
        "city",
        "country",
        "companyName",
        "dnd",
        "followers",
        "isValidWhatsapp",
        "phone",
        "postalCode",
        "source",
        "state",
        "tags",
        "timezone",
        "type",
        "validEmail",
        "website",
        "lastAppointment",
        "activeWorkflows",
        "finishedWorkflows",
    }
)
PATHS = {
    "address": ("address1",),
    "dndSettings.Email.status": ("dndSettings", "Email", "status"),
    "dndSettings.SMS.status": ("dndSettings", "SMS", "status"),
    "dndSettings.Call.status": ("dndSettings", "Call", "status"),
    "inboundDndSettings.all.status": ("inboundDndSettings", "all", "status"),
    "opportunities.pipelineId": ("opportunities", "pipelineId"),
    "opportunities.pipelineStageId": ("opportunities", "pipelineStageId"),
    "opportunities.status": ("opportunities", "status"),
}
LOWER_CASE_OF = {"firstNameLowerCase": "firstName", "lastNameLowerCase": "lastName"}
WORD_OPERATORS = frozenset(
    {"eq", "not_eq", "contains", "not_contains", "exists", "not_exists"}
)
EXACT_OPERATORS = WORD_OPERATORS - {"contains", "not_contains"}
DATE_OPERATORS = frozenset({"range", "exists", "not_exists"})
BOUNDS: dict[str, Callable[[str, str], bool]] = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
}


def compile_filters(filters: Any, refused: frozenset[str]) -> Test:
    """Join a list of filters by AND.

    Args:
        refused: fields that this account does not know, whatever the page says.
    """
    return all_of([_compile(item, refused) for item in _items(filters)])


def all_of(tests: list[Test]) -> Test:
    return lambda row: all(test(row) for test in tests)


def reader(field: str) -> Callable[[Row], Any]:
    """How a field's value is read from a row; 400 when there is no such field."""
    if field in LOWER_CASE_OF:
        name = LOWER_CASE_OF[field]
        return lambda row: (row.get(name) or "").lower()
    if field.startswith("customFields."):
        wanted = field.split(".")[1]
        return lambda row: next(
            (f["value"] for f in row.get("customFields", ()) if f["id"] == wanted), None
        )
    if field in PATHS:
        return lambda row: _dig(row, PATHS[field])
    if field in WORD_FIELDS | DATE_FIELDS | {"id", "email"}:
        return lambda row: row.get(field)
    raise bad_request(f"Invalid field {field}")


def _compile(item: Any, refused: frozenset[str]) -> Test:
    if not isinstance(item, dict):
        raise bad_request("Invalid filter")
    if "group" in item:
        tests = [_compile(each, refused) for each in _items(item.get("filters"))]
        if item["group"] == "OR":
            return lambda row: any(test(row) for test in tests)
        if item["group"] == "AND":
            return all_of(tests)
        raise bad_request(f"Invalid group {item['group']}")
    field, operator = str(item.get("field")), str(item.get("operator"))
    if field in refused:
        raise bad_request(f"Invalid field {field}")
    read = reader(field)
    if operator not in _operators(field):
        raise bad_request(f"Invalid operator {operator} for field {field}")
    return _test(read, operator, item.get("value"))


def _test(read: Callable[[Row], Any], operator: str, value: Any) -> Test:
    if isinstance(value, str) and len(value) > MAX_VALUE_LENGTH:
        raise bad_request(f"Value must not exceed {MAX_VALUE_LENGTH} characters")
    match operator:
        case "exists":
            return lambda row: read(row) not in (None, "", [])
        case "not_exists":
            return lambda row: read(row) in (None, "", [])
        case "range":
            return _range(read, value)
        case "contains" | "not_contains":
            words = str(value).lower()
            return lambda row: (
                any(words in each for each in _texts(read(row)))
                is (operator == "contains")
            )
    wanted = _texts(value)
    return lambda row: (
        any(each in wanted for each in _texts(read(row))) is (operator == "eq")
    )


def _range(read: Callable[[Row], Any], value: Any) -> Test:
    bounds = [(BOUNDS[key], bound) for key, bound in range_bounds(value).items()]
    return lambda row: (
        bool(read(row)) and all(holds(read(row), bound) for holds, bound in bounds)
    )


def range_bounds(value: Any) -> dict[str, str]:
    """The ends of a range in the form that GHL keeps times in."""
    if not isinstance(value, dict) or not value or value.keys() - BOUNDS.keys():
        raise bad_request("Invalid range value")
    try:
        return {key: from_millis(to_millis(bound)) for key, bound in value.items()}
    except (TypeError, ValueError):
        raise bad_request("Invalid range value") from None


def _operators(field: str) -> frozenset[str]:
    if field in DATE_FIELDS:
        return DATE_OPERATORS
    if field == "id":
        return frozenset({"eq", "not_eq"})
    return EXACT_OPERATORS if field == "email" else WORD_OPERATORS


def _items(filters: Any) -> list[Any]:
    if not isinstance(filters, list):
        raise bad_request("filters must be an array")
    return filters


def _texts(value: Any) -> list[str]:
    """A value, or each element of a list, as the lower-case text it is compared by."""
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [str(each).lower() for each in values]


def _dig(row: Row, path: tuple[str, ...]) -> Any:
    value: Any = row
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
