"""Reading that waits where a vendor asks for it, as the command line does."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from pipeline.errors import BudgetSpent, PipelineError
from pipeline.retry import TryAgain, decide

LONGEST_WAIT_SECONDS = 60.0

Answer = TypeVar("Answer")


def patiently(ask: Callable[[], Answer]) -> Answer:
    """The answer of a call that reads, asked for again while that may help.

    Raises:
        PipelineError: what stays; also that the day's calls are spent.
    """
    attempts = 0
    while True:
        try:
            return ask()
        except PipelineError as error:
            if isinstance(error, BudgetSpent) and error.daily:
                raise
            decision = decide(error, attempts, jitter=random.random())  # noqa: S311
            if not isinstance(decision, TryAgain):
                raise
            attempts += decision.counted
            time.sleep(min(decision.wait_seconds, LONGEST_WAIT_SECONDS))
