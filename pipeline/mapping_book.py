"""The domain's mapping, made of what a connection's configuration says."""

from collections.abc import Iterable

from pipeline.config import Connection
from pipeline.rule_book import needs_of
from pipeline.sync.fields import CORE_ROWS, Direction, Owner, Row, laid_over
from pipeline.sync.mapping import Layout
from pipeline.sync.rules import Rule


def layout_of(connection: Connection, rules: Iterable[Rule]) -> Layout:
    """The rows of the connection's mapping, over the default ones where these hold.

    Args:
        rules: what they need of both vendors is there as well.
    """
    rows = (
        Row(
            **{
                **facts,
                "direction": Direction(facts["direction"]),
                "owner": Owner(facts["owner"]),
            }
        )
        for facts in connection.rows
    )
    core = CORE_ROWS if connection.core_fields else ()
    return Layout(
        laid_over(core, tuple(rows)),
        note_excerpt=connection.note_excerpt,
        **needs_of(rules),
    )
