"""The domain's mapping, made of what a connection's configuration says."""

from pipeline.config import Connection
from pipeline.sync.fields import CORE_ROWS, Direction, Owner, Row, laid_over
from pipeline.sync.mapping import Layout


def layout_of(connection: Connection) -> Layout:
    """The rows of the connection's mapping, over the default ones where these hold."""
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
    return Layout(laid_over(core, tuple(rows)), note_excerpt=connection.note_excerpt)
