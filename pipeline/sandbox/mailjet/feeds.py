"""`openinformation`, `clickstatistics`, `bouncestatistics`: events, oldest first.

Source: dev.mailjet.com, guide "Statistics", and Mailjet's OpenAPI file, read 2026-11.
`EventFromTs` and `EventToTs` ask for the event's own time, both ends included;
`FromTS` and `ToTS` ask for the start of its campaign, neither end included. Of the many
filters on campaigns only those by id and by the sender's name are here.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.mailjet.mailings import Recorded
from pipeline.sandbox.mailjet.reading import filters, page
from pipeline.sandbox.mailjet.times import read_time, time_filter
from pipeline.sandbox.wire import Answer, Call, Routes

routes: Routes[Account] = Routes()

FILTERS = frozenset(
    {"CampaignID", "CustomCampaign", "EventFromTs", "EventToTs", "FromTS", "ToTS"}
)


@routes("GET", "/v3/REST/openinformation")
def list_opens(account: Account, call: Call) -> Answer:
    return _feed(account, call, "open", FILTERS | {"MessageID"})


@routes("GET", "/v3/REST/clickstatistics")
def list_clicks(account: Account, call: Call) -> Answer:
    return _feed(account, call, "click", FILTERS | {"MessageID"})


@routes("GET", "/v3/REST/bouncestatistics")
def list_bounces(account: Account, call: Call) -> Answer:
    return _feed(account, call, "bounce", FILTERS)


def _feed(account: Account, call: Call, kind: str, allowed: frozenset[str]) -> Answer:
    given = filters(call, allowed)
    lifting = {"FromTS"}
    if account.settings.event_from_ts_lifts_the_day:
        lifting.add("EventFromTs")
    rows: Iterable[Recorded] = account.mailings.feeds[kind]
    if not lifting & given.keys():
        today = datetime.now(UTC).strftime("%Y-%m-%d")
        rows = [each for each in rows if each.at.startswith(today)]
    return page(account, call, _filtered(rows, given), lambda each: each.row)


def _filtered(rows: Iterable[Recorded], given: dict[str, str]) -> Iterable[Recorded]:
    if "EventFromTs" in given:
        low = time_filter(given, "EventFromTs")
        rows = [each for each in rows if each.at >= low]
    if "EventToTs" in given:
        high = time_filter(given, "EventToTs")
        rows = [each for each in rows if each.at <= high]
    if "FromTS" in given:
        after = time_filter(given, "FromTS")
        rows = [each for each in rows if _started(each) > after]
    if "ToTS" in given:
        before = time_filter(given, "ToTS")
        rows = [each for each in rows if _started(each) < before]
    return [each for each in rows if _fits(each, given)]


def _started(each: Recorded) -> str:
    return read_time(each.message.campaign.started)


def _fits(each: Recorded, given: dict[str, str]) -> bool:
    message = each.message
    shown = {
        "CampaignID": str(message.campaign.id),
        "CustomCampaign": message.campaign.custom,
        "MessageID": str(message.id),
    }
    return all(given.get(name, value) == value for name, value in shown.items())
