"""How numbers are told in a sentence, and what several places say alike."""

DAY_SPENT = "the day's calls are spent"


def plural(number: int, one: str, many: str = "") -> str:
    """`1 contact`, `1,200 contacts`.

    Args:
        many: what more than one are called, where an s more does not do.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
