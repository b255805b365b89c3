"""What failed for good, counted."""

from pipeline.store.dead_letters import DeadLetter, causes


def test_letters_are_counted_by_their_cause() -> None:
    letters = [
        DeadLetter(f"id{number}", cause, "refused", "bulk", 1, number)
        for number, cause in enumerate(["Rejected", "BadPayload", "Rejected"])
    ]

    assert causes(letters) == {"Rejected": 2, "BadPayload": 1}
    assert causes([]) == {}
