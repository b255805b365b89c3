"""A campaign of the sandbox leaves once, or not at all, whatever became of its date."""

import asyncio
import json
from typing import Any

from pipeline.sandbox.faults import Faults
from pipeline.sandbox.mailjet import campaign_drafts, campaign_sending
from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.mailjet.callbacks import Callbacks
from pipeline.sandbox.mailjet.drafts import SENT, Draft
from pipeline.sandbox.settings import Settings
from pipeline.sandbox.wire import Call, Routes

ROUTES = Routes[Account]().joined((campaign_drafts.routes, campaign_sending.routes))
CONTENT = {"Text-part": "Hello"}


def account() -> Account:
    """One with a list of two people."""
    made = Account(Settings(), Faults(1), Callbacks(), lambda event: None)
    list_id = made.add_list("Newsletter")
    for name in ("ada", "bob"):
        contact_id = made.add_contact(f"{name}@example.com")
        made.add_recipient(contact_id, list_id, unsubscribed=False)
    return made


def ask(account: Account, method: str, path: str, body: Any = None) -> int:
    call = Call("mailjet", method, path, {}, {}, json.dumps(body).encode())
    route, call.params, _ = ROUTES.find(method, f"/v3/REST/campaigndraft{path}")
    assert route is not None
    return route.endpoint(account, call).status


def draft(account: Account) -> Draft:
    body = {
        "Locale": "en_US",
        "Sender": "Lighthouse",
        "SenderEmail": "news@lighthouse.example",
        "Subject": "Friday",
        "ContactsListID": next(iter(account.lists)),
    }
    assert ask(account, "POST", "", body) == 201
    made = list(account.drafts.by_id.values())[-1]
    assert ask(account, "POST", f"/{made.id}/detailcontent", CONTENT) == 201
    return made


def test_what_was_called_back_or_planned_twice_leaves_no_second_time() -> None:
    """All in one turn of the loop: no date comes before the last word is said."""

    async def plan() -> list[str]:
        here = account()
        cancelled, twice, last = draft(here), draft(here), draft(here)
        for each in (cancelled, twice, twice, last):
            ask(here, "POST", f"/{each.id}/schedule", {"Date": "NOW"})
        assert ask(here, "DELETE", f"/{cancelled.id}/schedule") == 204
        while last.row["Status"] != SENT:
            await asyncio.sleep(0)
        return [each.campaign.custom for each in here.mailings.mails.by_id.values()]

    first = 5_001
    names = [f"mj.nl={number}" for number in (first + 1, first + 2) for _ in range(2)]
    assert asyncio.run(plan()) == names
