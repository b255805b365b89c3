"""Numbers in sentences."""

import pytest

from pipeline.wording import plural


@pytest.mark.parametrize(
    ("number", "told"),
    [(0, "0 contacts"), (1, "1 contact"), (1200, "1,200 contacts")],
    ids=["none", "one", "many"],
)
def test_one_is_told_apart_from_many(number: int, told: str) -> None:
    assert plural(number, "contact") == told


def test_a_plural_of_its_own_is_used() -> None:
    assert plural(2, "property", "properties") == "2 properties"
