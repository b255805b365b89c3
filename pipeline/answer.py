"""What goes through a schema on its way in or out of a vendor's API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema, ValidationError, fields

from pipeline.errors import BadPayload, Reach, Rejected


class Rows(fields.Field[list[object]]):
    """The rows of a page, not looked into: each may be broken on its own."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> list[object]:
        if not isinstance(value, list):
            raise ValidationError("Not a list.")
        return value


@dataclass(frozen=True)
class Answer:
    """A success.

    Args:
        data: the decoded JSON; None where the answer is empty (204, 304).
        headers: case-insensitive.
    """

    vendor: str
    route: str
    status: int
    data: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    def load(self, schema: Schema, *, reach: Reach | None = None) -> Any:
        """The data as the record that `schema` makes of it.

        Args:
            reach: of the error; None means the contact that the call was about.

        Raises:
            BadPayload: it is something else; names the fields, never their values.
        """
        try:
            return schema.load(self.data)
        except ValidationError as error:
            detail = f"not as documented: {_fields_named(error)}"
        raise BadPayload(self.vendor, self.route, self.status, detail, reach=reach)


def outgoing(
    vendor: str, route: str, schema: Schema, values: Mapping[str, object]
) -> Mapping[str, object]:
    """`values`, once `schema` has found nothing in them that the vendor would refuse.

    Raises:
        Rejected: nothing was sent; names the fields, never their values.
    """
    try:
        schema.load(values)
    except ValidationError as error:
        detail = f"not sent: {_fields_named(error)}"
    else:
        return values
    raise Rejected(vendor, route, None, detail)


def _fields_named(error: ValidationError) -> str:
    return ", ".join(_paths(error.messages))[:150]


def _paths(messages: object, prefix: str = "") -> list[str]:
    """`{"contact": {"id": [..]}}` as `["contact.id"]`."""
    if not isinstance(messages, Mapping):
        return [prefix or "not an object"]
    return [
        path
        for key, inner in messages.items()
        for path in _paths(inner, f"{prefix}.{key}" if prefix else str(key))
    ]
