"""No vendor ever has to refuse us, as the vendors count; `make bench` has more.

With few calls in a window a machine that stalls for 0.4 s brings none of them into the
window of others.
"""

import pytest

from tests.bench.cell import Cell, finish, resyncing

PEOPLE = 25


@pytest.mark.parametrize(
    "cell",
    [
        Cell("sliding", 2, slots=1, processes=1, rate="10/2"),
        Cell("fixed", 20, slots=4, processes=3, rate="10/2"),
    ],
    ids=str,
)
def test_no_vendor_has_to_refuse_a_call(cell: Cell) -> None:
    with resyncing(cell, PEOPLE) as running:
        finish(running, PEOPLE)
        stats = running.sandbox.stats()

    refused = {vendor: told["answers_429"] for vendor, told in stats.items()}
    assert refused == {"ghl": 0, "mailjet": 0}
    assert stats["mailjet"]["calls"] >= PEOPLE * 0.9
