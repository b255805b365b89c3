"""How Mailjet answers: an envelope of records, in pages by offset."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from marshmallow import Schema

from pipeline.answer import Answer
from pipeline.errors import BadPayload, Reach
from pipeline.mailjet import schemas
from pipeline.session import ApiSession, QueryValue

# The largest that Mailjet allows; `Limit=0` means the same but was reported to ignore
# Offset (mailjet-apiv3-nodejs#68, read 2026-11).
LIMIT = 1000


class Calls:
    """What all calls of one API key have in common.

    Args:
        session: carries key and secret key.
    """

    def __init__(self, session: ApiSession) -> None:
        self.session = session

    def page(
        self,
        resource: str,
        offset: int,
        schema: Schema,
        query: Mapping[str, QueryValue],
        id_key: str = "ID",
    ) -> tuple[list[Any], int | None, tuple[str, ...]]:
        """Records of one page, the next offset (None = the end), unreadable rows."""
        answer = self.session.send(
            "GET",
            f"/v3/REST/{resource}",
            query={"Limit": LIMIT, "Offset": offset, **query},
        )
        rows = _rows(answer, reach=Reach.CALL)
        records, bad_rows = schemas.load_rows(schema, rows, id_key)
        # `Total` counts the page only: a listing ends with a page that is not full.
        following = offset + len(rows) if len(rows) >= LIMIT else None
        return records, following, bad_rows

    def count(self, resource: str, **filters: QueryValue) -> int:
        """How many records there are, without reading them.

        `countOnly`, Mailjet guides (_filtering-resources.md), read 2026-11: elsewhere
        `Total` counts the page only.

        Raises:
            BadPayload: with the reach of a call; also when Mailjet sends records.
        """
        route = f"/v3/REST/{resource}"
        answer = self.session.send("GET", route, query={"countOnly": 1, **filters})
        found: dict[str, Any] = answer.load(schemas.COUNT, reach=Reach.CALL)
        if found["rows"]:
            detail = "records where only their number was asked for"
            raise BadPayload(
                "mailjet", answer.route, answer.status, detail, reach=Reach.CALL
            )
        return int(found["total"])

    def all_of(self, resource: str, schema: Schema) -> Iterable[Any]:
        """Every record of a short listing, such as that of the lists."""
        offset: int | None = 0
        before: list[Any] = []
        while offset is not None:
            records, offset, bad_rows = self.page(resource, offset, schema, {})
            if bad_rows or (records and records == before):
                # Half of the lists or properties is no base to decide anything on.
                route = f"GET /v3/REST/{resource}"
                detail = "rows that cannot be read" if bad_rows else "a page repeats"
                raise BadPayload("mailjet", route, 200, detail, reach=Reach.CONNECTION)
            yield from records
            before = records


def records_of(answer: Answer, schema: Schema) -> list[Any]:
    """All records of an answer."""
    rows = _rows(answer)
    return [replace(answer, data=row).load(schema) for row in rows]


def only(answer: Answer, schema: Schema) -> Any:
    """The one record of an answer."""
    rows = _rows(answer)
    return replace(answer, data=rows[0] if rows else None).load(schema)


def _rows(answer: Answer, *, reach: Reach | None = None) -> list[object]:
    """The rows in `{"Count", "Data", "Total"}`; the counts are of the page: useless.

    The actions on contacts answer with a bare list in Mailjet's guides and with the
    envelope elsewhere: both are read.
    """
    data = answer.data
    rows = data.get("Data") if isinstance(data, dict) else data
    if isinstance(rows, list):
        return rows
    detail = "not as documented: Data"
    raise BadPayload("mailjet", answer.route, answer.status, detail, reach=reach)
