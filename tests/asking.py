"""What somebody asks for in Mailjet's history, and what GHL got of it."""

import json
from collections import Counter

from pipeline.feed import Feed
from pipeline.sync.wishes import NOTE_FEED, TASK_FEED, references
from tests.driver import Driver
from tests.sandbox import Row, Sandbox


def set_up(driver: Driver) -> None:
    """A connection whose feeds have begun."""
    driver.setup()
    read_feeds(driver)


def read_feeds(driver: Driver) -> None:
    """What Beat does every minute."""
    record = driver.kit.record()
    assert record is not None, "the connection is not set up"
    Feed(driver.kit, record).read()


def ask_for_note(sandbox: Sandbox, contact: Row, text: str) -> int:
    """Somebody writes a note in Mailjet; the number of the entry."""
    return _write(sandbox, contact, NOTE_FEED, text)


def ask_for_task(sandbox: Sandbox, contact: Row, **facts: object) -> int:
    """Somebody writes a task in Mailjet; the number of the entry."""
    return _write(sandbox, contact, TASK_FEED, json.dumps(facts))


def _write(sandbox: Sandbox, contact: Row, name: str, data: str) -> int:
    return int(sandbox.put_history(contact["email"], name, data)["ID"])


def granted(sandbox: Sandbox) -> Counter[int]:
    """How often each entry is in GHL."""
    rows = [*sandbox.notes(), *sandbox.tasks()]
    return Counter(number for row in rows for number in references([row["body"]]))
