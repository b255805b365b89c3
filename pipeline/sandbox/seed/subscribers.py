"""Invents what Mailjet knows before the first sync."""

import random
from collections.abc import Iterable

from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.wire import Row

LIST_NAME = "Newsletter"
KNOWN, UNSUBSCRIBED, EXCLUDED = 0.04, 0.25, 0.2


def subscribe(account: Account, contacts: Iterable[Row], seed: int) -> int:
    """Make the list and put some people on it, some of whom had enough of it.

    Returns:
        the id of the list.
    """
    dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
    list_id = account.add_list(LIST_NAME)
    account.add_property("favourite_dish", "str", "static")
    account.add_property("note", "str", "historic")
    emails = [
        row["email"] for row in contacts if _usable(row) and dice.random() < KNOWN
    ]
    for email in [*emails, "stranger1@example.org", "stranger2@example.org"]:
        if account.contact_id(email) is not None:
            continue
        contact_id = account.add_contact(email, "", dice.random() < EXCLUDED)
        account.set_values(
            contact_id, {"favourite_dish": dice.choice(("ramen", "pão"))}
        )
        account.add_recipient(contact_id, list_id, dice.random() < UNSUBSCRIBED)
    return list_id


def _usable(row: Row) -> bool:
    name, at, domain = row.get("email", "").partition("@")
    return bool(name and at and domain) and "@" not in domain
