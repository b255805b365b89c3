"""Runs that take one call, or about four, for each contact."""

import time

from pipeline.bootstrap import Kit
from tests.sandbox import Sandbox

FIRST, CHANGED = "first import", "everybody changed"
ONE_CALL = {"SYNC_NOTES_TAG": "whose notes are carried"}
"""Nobody carries the tag: no notes are read, which takes a call for each contact."""
BETWEEN_RUNS = ("activities", "changes", "optouts", "feedback", "report")
DAY_SECONDS = 86_400.0


def quiet(kit: Kit) -> None:
    """Hold back what Beat rings between two runs."""
    for task in BETWEEN_RUNS:
        assert kit.setup.claim_due(task, DAY_SECONDS), task
    kit.activities.notes_had_turn(int(time.time() / DAY_SECONDS) + 1)


def change_everybody(sandbox: Sandbox) -> None:
    """Give every contact another town."""
    for contact in sandbox.contacts():
        sandbox.put_contact(id=contact["id"], city="Faro")
