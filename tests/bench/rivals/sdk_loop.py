"""The loop around both vendors' own clients, as people write it first, and later.

python -m tests.bench.rivals.sdk_loop careless|careful, with the sandbox's addresses and
keys in the environment. Careless goes on after a failure; careful waits and tries the
same contact again.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from highlevel import HighLevel
from mailjet_rest import Client
from mailjet_rest.errors import ApiRateLimitError

PAGE = 100
CARELESS, CAREFUL = "careless", "careful"
WAIT_SECONDS = 1.0
"""Doubled after each refusal: neither vendor documents how long to wait."""


async def contacts() -> AsyncIterator[dict[str, Any]]:
    """Every contact, page by page."""

    class Local(HighLevel):  # type: ignore[misc]  # has no types
        BASE_URL = os.environ["GHL_BASE_URL"]

    client = Local(private_integration_token=os.environ["GHL_TOKEN"])
    body: dict[str, Any] = {
        "locationId": os.environ["GHL_LOCATION_ID"],
        "pageLimit": PAGE,
        "filters": [],
    }
    try:
        while rows := (await client.contacts.search_contacts_advanced(body))[
            "contacts"
        ]:
            for row in rows:
                yield row
            body["searchAfter"] = rows[-1]["searchAfter"]
    finally:
        await client.close()


def write(client: Client, row: dict[str, Any], *, again: bool) -> None:
    """One contact into the list."""
    wait = WAIT_SECONDS
    name = f"{row.get('firstName') or ''} {row.get('lastName') or ''}".strip()
    data = {"Email": row["email"], "Name": name, "Action": "addnoforce"}
    list_id = os.environ["MAILJET_LIST_ID"]
    while True:
        try:
            client.contactslist_managecontact.create(id=list_id, data=data)
        except ApiRateLimitError:
            if not again:
                raise
            time.sleep(wait)
            wait *= 2
        else:
            return


async def main(manner: str) -> None:
    auth = (os.environ["MAILJET_API_KEY"], os.environ["MAILJET_SECRET_KEY"])
    with Client(auth=auth, api_url=os.environ["MAILJET_BASE_URL"]) as client:
        async for row in contacts():
            if row.get("email"):
                # A contact that fails must not end the loop; careless looks no further.
                with contextlib.suppress(Exception):
                    write(client, row, again=manner == CAREFUL)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
