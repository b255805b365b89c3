"""What webhooks lost is read back from Mailjet's feeds, and acts once either way."""

import time
from collections.abc import Callable

import pytest

from pipeline import opting_in
from pipeline.errors import Unauthorized, VendorDown
from pipeline.feedback import Feedback
from pipeline.permit import Lane
from pipeline.polls import Polls
from pipeline.sync.consent import Source
from pipeline.sync.mail_event import EventKind, MailEvent
from tests.driver import Driver, dnd
from tests.sandbox import MailjetCaller, Row

FEEDS = {
    "unsub": "/v3/REST/listrecipientstatistics",
    "exclusions": "/v3/REST/contact",
    "spam": "/v3/REST/contactstatistics",
    "bounces": "/v3/REST/bouncestatistics",
}
OPENS, CLICKS = "/v3/REST/openinformation", "/v3/REST/clickstatistics"
DAY = 86_400
PRICING = "https://lighthouse.example/pricing"
RULES = "tag-openers,task-on-click"


def feedback(driver: Driver) -> Feedback:
    record = driver.kit.record()
    assert record is not None
    return Feedback(driver.kit, record)


def polls(driver: Driver) -> Polls:
    record = driver.kit.record()
    assert record is not None
    return Polls(driver.kit, record)


def poll(driver: Driver) -> None:
    """What Beat rings every five minutes, and the work that follows."""
    polls(driver).read()
    work(driver)


def work(driver: Driver) -> None:
    """Until nothing waits for anything."""
    while driver.ledger.backlog().waiting:
        driver.make_due()
        driver.work()


def heard(driver: Driver, event: Row) -> int:
    """The webhook comes, which the sandbox did not send."""
    told = MailEvent(
        EventKind(event["event"]),
        event["time"] * 1000,
        event["email"],
        event["mj_contact_id"],
        event["MessageID"],
        event["mj_campaign_id"],
        list_id=event.get("mj_list_id", 0),
        url=event.get("url", ""),
        hard=event.get("hard_bounce", False),
        error=event.get("error", ""),
    )
    count = feedback(driver).apply([told])
    work(driver)
    return count


def code(driver: Driver, person: Row) -> str:
    """Why GHL sends them no e-mail; "" where it does."""
    contact = driver.sandbox.contact(person["id"])
    assert contact is not None
    channel = contact.get("dndSettings", {}).get("Email", {})
    return channel.get("code", "") if channel.get("status") == "active" else ""


def tags(driver: Driver, person: Row) -> list[str]:
    contact = driver.sandbox.contact(person["id"])
    assert contact is not None
    return list(contact["tags"])


def tasks(driver: Driver, person: Row) -> list[str]:
    rows = driver.sandbox.tasks()
    return [row["title"] for row in rows if row["contactId"] == person["id"]]


def lose(driver: Driver, kind: str, person: Row, **fields: object) -> Row:
    """It happens, and its webhook gets lost."""
    return driver.sandbox.mail_event(kind, person["email"], deliver=False, **fields)


def exclude(driver: Driver, person: Row) -> None:
    driver.sandbox.put_subscriber(email=person["email"], excluded=True)


def mailed(driver: Driver) -> Row:
    """Somebody who was synced and is mailed."""
    person = driver.person(tags=[])
    driver.sync(person["id"])
    return person


@pytest.fixture
def ana(driver: Driver) -> Row:
    """Somebody who was synced before the feeds were read for the first time."""
    person = mailed(driver)
    poll(driver)
    driver.sandbox.clear_log()
    return person


def unsubscribed(driver: Driver, person: Row) -> None:
    lose(driver, "unsub", person, list_id=int(driver.list_id))


def complained(driver: Driver, person: Row) -> None:
    lose(driver, "spam", person)


def bounced(driver: Driver, person: Row) -> None:
    lose(driver, "bounce", person, hard_bounce=True)


LOST = {
    "mailjet-unsubscribed": unsubscribed,
    "mailjet-excluded": exclude,
    "mailjet-complained": complained,
    "mailjet-bounced": bounced,
}
each_loss = pytest.mark.parametrize("reason", LOST)


@each_loss
def test_what_no_webhook_told_is_read_back(driver, ana, reason):
    LOST[reason](driver, ana)

    poll(driver)

    assert code(driver, ana) == reason
    assert reason in tags(driver, ana)
    is_out = driver.subscriber(ana["email"])["excluded"] or not driver.on_list(
        ana["email"]
    )
    assert is_out


@each_loss
def test_windows_overlap_and_nothing_acts_twice(driver, ana, reason):
    LOST[reason](driver, ana)
    poll(driver)
    driver.sandbox.clear_log()

    polls(driver).read()
    due = driver.ledger.backlog().waiting
    poll(driver)

    assert due == 0
    assert driver.writes() == []
    assert driver.calls("GET", FEEDS["bounces"]) == 2


@pytest.mark.parametrize(("kind", "minutes"), [("bounce", 25), ("unsub", 1.5)])
def test_what_a_feed_shows_only_after_some_time_is_read_back(
    driver, ana, kind, minutes
):
    happened = int(time.time() - minutes * 60)
    fields = {"hard_bounce": True} if kind == "bounce" else {}
    list_id = int(driver.list_id) if kind == "unsub" else 0

    lose(driver, kind, ana, time=happened, list_id=list_id, **fields)
    poll(driver)

    assert code(driver, ana)


def test_an_unsubscription_from_a_list_that_is_not_ours_is_read_back(
    driver: Driver, ana: Row, mailjet: MailjetCaller
) -> None:
    lose(driver, "unsub", ana, list_id=mailjet.new_list())

    poll(driver)

    assert code(driver, ana) == "mailjet-unsubscribed"
    assert driver.on_list(ana["email"]) is False


@pytest.mark.parametrize("why", ["ghl", "bounce"])
def test_what_we_wrote_ourselves_comes_back_and_is_silent(driver, ana, why):
    if why == "ghl":
        driver.sandbox.put_contact(id=ana["id"], **dnd("active"))
        driver.sync(ana["id"], Lane.CONSENT)
    else:
        bounced(driver, ana)
        poll(driver)
    assert driver.subscriber(ana["email"])["excluded"]
    before = driver.sandbox.contact(ana["id"])
    driver.sandbox.clear_log()

    poll(driver)
    poll(driver)
    driver.full_run()

    assert driver.writes() == []
    assert driver.sandbox.contact(ana["id"]) == before


def test_many_unsubscriptions_are_looked_up_in_pages(driver, ana):
    people = [mailed(driver) for _ in range(25)]
    for person in people:
        unsubscribed(driver, person)
    driver.sandbox.clear_log()

    polls(driver).read()

    assert driver.calls("GET", "/v3/REST/listrecipient/:recipient") == 0
    assert driver.calls("GET", "/v3/REST/listrecipient") == 1
    work(driver)
    assert {code(driver, person) for person in people} == {"mailjet-unsubscribed"}


def test_whom_we_unsubscribed_is_not_looked_up_again(driver, ana):
    driver.sandbox.put_contact(id=ana["id"], **dnd("active"))
    driver.sync(ana["id"])
    driver.sandbox.clear_log()

    polls(driver).read()

    assert driver.calls("GET", "/v3/REST/contact/:contact") == 0
    assert driver.kit.consents.own(ana["id"]).keys() == {Source.GHL_EMAIL}


def test_an_opt_in_stands_although_the_feeds_still_tell_the_no(driver, ana):
    unsubscribed(driver, ana)
    poll(driver)

    opting_in.record_opt_in(driver.kit, ana["id"], "form 1234", None)
    driver.sandbox.clear_log()
    poll(driver)
    driver.full_run()

    assert driver.on_list(ana["email"]) is True
    assert code(driver, ana) == ""
    assert driver.writes() == []


# One feed that is refused, or breaks down


@pytest.mark.parametrize("broken", FEEDS)
@pytest.mark.parametrize("fault", ["refused", "500"])
def test_a_broken_feed_does_not_hold_up_the_others(driver, ana, fault, broken):
    people = {reason: mailed(driver) for reason in LOST}
    for reason, person in people.items():
        LOST[reason](driver, person)
    driver.sandbox.add_fault(fault, vendor="mailjet", route=FEEDS[broken])

    try:
        polls(driver).read()
    except VendorDown:
        assert fault == "500", "a refusal is the feed's alone"
    driver.sandbox.clear_faults()
    work(driver)

    kept = dict(zip(FEEDS, LOST, strict=True))
    assert [r for r in LOST if code(driver, people[r]) != r] == [kept[broken]]
    poll(driver)
    assert [r for r in LOST if code(driver, people[r]) != r] == []


def test_a_refused_feed_is_read_from_where_it_broke_off(driver, ana):
    driver.sandbox.add_fault("refused", vendor="mailjet", route=FEEDS["bounces"])
    bounced(driver, ana)
    for _ in range(3):
        poll(driver)
    assert code(driver, ana) == ""

    driver.sandbox.clear_faults()
    poll(driver)

    assert code(driver, ana) == "mailjet-bounced"


def test_a_dead_credential_is_told_and_asks_no_further_feed(driver, ana):
    driver.sandbox.add_fault("token_revoked", vendor="mailjet")

    with pytest.raises(Unauthorized):
        polls(driver).read()

    calls = driver.sandbox.log("mailjet")
    assert len(calls) == 1


# Events of campaigns


@pytest.fixture
def with_rules(build_driver: Callable[..., Driver]) -> Driver:
    driver = build_driver(SYNC_RULES=RULES)
    driver.setup()
    return driver


def test_a_bounce_of_a_campaign_begun_months_ago_is_read_back(driver, ana):
    begun = int(time.time()) - 200 * DAY
    lose(driver, "bounce", ana, hard_bounce=True, campaign_started=begun)

    poll(driver)

    assert code(driver, ana) == "mailjet-bounced"


def test_opens_and_clicks_are_not_read_where_no_rule_wants_them(driver, ana):
    lose(driver, "open", ana)
    lose(driver, "click", ana, url=PRICING)

    poll(driver)

    assert driver.calls("GET", OPENS) + driver.calls("GET", CLICKS) == 0
    assert (tags(driver, ana), tasks(driver, ana)) == ([], [])


@pytest.mark.parametrize(
    ("rules", "routes"),
    [
        ("tag-openers", {OPENS}),
        ("task-on-click", {CLICKS}),
        ("campaign-notes", {OPENS, CLICKS}),
    ],
)
def test_only_the_feeds_that_a_rule_wants_are_read(build_driver, rules, routes):
    driver = build_driver(SYNC_RULES=rules)
    driver.setup()

    poll(driver)

    assert {r for r in (OPENS, CLICKS) if driver.calls("GET", r)} == routes


def test_lost_opens_and_clicks_become_work_once(with_rules: Driver) -> None:
    driver, ana = with_rules, mailed(with_rules)
    poll(driver)
    begun = int(time.time()) - 200 * DAY
    lose(driver, "open", ana, campaign_started=begun)
    lose(driver, "click", ana, url=PRICING)

    poll(driver)
    poll(driver)

    assert tags(driver, ana) == ["mailjet-opened"]
    assert tasks(driver, ana) == [f"Call: clicked {PRICING}"]
    driver.sandbox.clear_log()
    poll(driver)
    assert driver.writes() == []


@pytest.mark.parametrize("first", ["webhook", "poll"])
@pytest.mark.parametrize("kind", ["click", "bounce", "spam", "unsub"])
def test_a_webhook_and_a_poll_of_one_event_act_once(with_rules, kind, first):
    driver, ana = with_rules, mailed(with_rules)
    poll(driver)
    fields = {
        "click": {"url": PRICING},
        "bounce": {"hard_bounce": True},
        "spam": {},
        "unsub": {"list_id": int(driver.list_id)},
    }[kind]
    event = lose(driver, kind, ana, **fields)

    def by_webhook() -> None:
        heard(driver, event)

    def by_poll() -> None:
        poll(driver)

    turns = [by_webhook, by_poll]
    turns[first == "poll"]()
    once = (code(driver, ana), tags(driver, ana), tasks(driver, ana))
    driver.sandbox.clear_log()
    turns[first != "poll"]()

    assert once != ("", [], [])
    assert (code(driver, ana), tags(driver, ana), tasks(driver, ana)) == once
    assert driver.writes() == []


@pytest.mark.parametrize("kind", ["click", "bounce"])
def test_an_event_that_was_read_back_is_no_news_by_webhook(with_rules, kind):
    driver, ana = with_rules, mailed(with_rules)
    poll(driver)
    event = lose(driver, kind, ana, url=PRICING, hard_bounce=kind == "bounce")
    poll(driver)

    assert heard(driver, event) == 0
