"""Mailjet's feeds and callbacks against the sandbox, which knows nothing of us."""

import json
import time

import pytest
from click.testing import CliRunner

from pipeline.callbacks import dead_callbacks, register
from pipeline.cli import main
from pipeline.findings import Level
from pipeline.mailjet import webhooks
from pipeline.mailjet.client import MailjetClient
from pipeline.permit import Lane, Permit
from pipeline.sync.mail_event import EventKind, MailEvent
from tests.sandbox import fresh_email
from tests.sandbox_events import Receiver

SECRET = "0123456789abcdef"
DAY_MS = 86_400_000


@pytest.fixture
def driver(build_driver, sandbox):
    """A connection with a webhook secret, on an account without callbacks."""
    sandbox.forget_callbacks()
    yield build_driver(SYNC_WEBHOOK_SECRET=SECRET)
    sandbox.forget_callbacks()


@pytest.fixture
def client(driver) -> MailjetClient:
    return driver.kit.mailjet(Permit(Lane.LIVE))


@pytest.fixture
def person(driver) -> int:
    """ContactID of somebody on the list."""
    client = driver.kit.mailjet(Permit(Lane.LIVE))
    added = client.manage_contact(int(driver.list_id), fresh_email(), "addnoforce")
    return added.contact_id


def the_one(events: tuple[MailEvent, ...], contact_id: int) -> MailEvent:
    [event] = [event for event in events if event.mailjet_id == contact_id]
    return event


def posted(row: dict) -> MailEvent:
    """The event as a webhook tells it."""
    [event], unreadable = webhooks.parse(json.loads(json.dumps(row)))
    assert unreadable == 0
    return event


# feeds


@pytest.mark.parametrize("lifted", [True, False])
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("open", {}),
        ("click", {"url": "https://example.com/Pricing"}),
        ("bounce", {"hard_bounce": True, "error": "user unknown"}),
        ("bounce", {"hard_bounce": False, "error": "quota exceeded"}),
    ],
)
def test_a_lost_event_of_yesterday_of_an_old_campaign_is_read_back_as_the_same(
    sandbox, client, person, kind, fields, lifted
):
    sandbox.settings(event_from_ts_lifts_the_day=lifted)
    yesterday = int(time.time()) - 86_400
    row = sandbox.mail_event(
        kind,
        person,
        deliver=False,
        time=yesterday,
        campaign_started=yesterday - 90 * 86_400,
        **fields,
    )
    feed = getattr(client, f"list_{kind}s")

    page = feed(0, yesterday * 1000, yesterday * 1000)

    event, told = the_one(page.events, person), posted(row)
    assert event.identity == told.identity
    assert (event.kind, event.at_ms, event.hard, event.error, event.url) == (
        told.kind,
        told.at_ms,
        told.hard,
        told.error,
        told.url,
    )
    assert page.bad_rows == ()
    assert person not in {e.mailjet_id for e in feed(0, 1000, 2000).events}


def test_an_unsubscription_is_read_back_with_its_list_and_its_time(
    sandbox, driver, client, person
):
    list_id = int(driver.list_id)
    before_ms = int(time.time()) * 1000
    row = sandbox.mail_event("unsub", person, deliver=False, list_id=list_id)

    page = client.list_unsubscriptions(0, before_ms)

    places = [client.get_recipient(number) for number in page.recipient_ids]
    [place] = [place for place in places if place.contact_id == person]
    assert place.unsubscribed
    assert place.list_id == list_id
    assert place.unsubscribed_ms == row["time"] * 1000
    later = client.list_unsubscriptions(0, place.unsubscribed_ms + 1000)
    assert place.id not in later.recipient_ids


def test_only_complainers_are_read_back_as_such(sandbox, client, person):
    before_ms = int(time.time()) * 1000
    innocent = client.manage_contact(
        int(sandbox.env["MAILJET_LIST_ID"]), fresh_email(), "addnoforce"
    ).contact_id
    sandbox.mail_event("open", innocent, deliver=False)
    row = sandbox.mail_event("spam", person, deliver=False)

    page = client.list_spam_complaints(0, before_ms)

    assert the_one(page.events, person).kind is EventKind.SPAM
    assert innocent not in {event.mailjet_id for event in page.events}
    # The very second that is asked for is among them.
    at_ms = row["time"] * 1000
    assert the_one(client.list_spam_complaints(0, at_ms).events, person)


def test_an_exclusion_tells_its_time(client, person):
    before_ms = int(time.time()) * 1000
    assert client.get_contact(person).excluded_ms is None

    client.update_contact(person, excluded=True)

    at_ms = client.get_contact(person).excluded_ms
    assert at_ms is not None
    assert before_ms <= at_ms < before_ms + DAY_MS


# callbacks


def test_registered_callbacks_bring_events_with_the_password(sandbox, driver, person):
    with Receiver() as receiver:
        base = receiver.url.removesuffix("/hooks")

        assert register(driver.kit, base, lambda line: None) == ()
        sandbox.mail_event("click", person, url="https://example.com/")
        [post] = receiver.wait_for(1)

    assert post.headers["authorization"].startswith("Basic ")
    [event], _ = webhooks.parse(json.loads(post.body))
    assert (event.kind, event.mailjet_id) == (EventKind.CLICK, person)


def test_registering_again_writes_nothing(sandbox, driver):
    register(driver.kit, "http://127.0.0.1:9", lambda line: None)
    sandbox.clear_log()

    assert register(driver.kit, "http://127.0.0.1:9", lambda line: None) == ()

    assert {entry["method"] for entry in sandbox.log()} == {"GET"}


def test_registering_elsewhere_moves_the_callbacks(sandbox, driver):
    register(driver.kit, "http://127.0.0.1:9", lambda line: None)

    assert register(driver.kit, "http://127.0.0.1:10", lambda line: None) == ()

    rows = sandbox.callbacks()
    assert len(rows) == len(EventKind)
    assert {row["Url"] for row in rows} == {
        f"http://mailjet:{SECRET}@127.0.0.1:10/webhooks/mailjet/default"
    }


def test_a_dead_callback_is_found_by_check_and_revived(sandbox, driver, mailjet):
    register(driver.kit, "http://127.0.0.1:9", lambda line: None)
    [row] = [row for row in sandbox.callbacks() if row["EventType"] == "open"]
    mailjet.call("PUT", f"eventcallbackurl/{row['ID']}", {"Status": "dead"})
    [finding] = dead_callbacks(driver.kit)
    told: list[str] = []

    missing = register(driver.kit, "http://127.0.0.1:9", told.append)

    assert finding.level is Level.WARNING
    assert "gave up posting open:" in finding.what
    assert missing == ()
    assert told[0] == "Mailjet callback of open: was dead; revived"
    [after] = dead_callbacks(driver.kit)
    assert after.level is Level.OK


@pytest.mark.parametrize(
    ("secret", "code", "callbacks"), [(SECRET, 0, len(EventKind)), ("", 2, 0)]
)
def test_setup_registers_them_where_there_is_a_password(
    sandbox, driver, valkey, secret, code, callbacks
):
    env = {**sandbox.env, "REDIS_URL": valkey.url, "SYNC_WEBHOOK_SECRET": secret}
    sandbox.clear_log()

    ended = CliRunner().invoke(
        main, ["setup", "--webhooks", "http://127.0.0.1:9"], env=env
    )

    assert ended.exit_code == code
    assert len(sandbox.callbacks()) == callbacks
    assert (sandbox.log() == []) is (code == 2)
    assert ("SYNC_WEBHOOK_SECRET: missing" in ended.output) is (code == 2)
    assert SECRET not in ended.output


def test_reviving_a_callback_by_setup_is_noted_at_once(sandbox, driver, valkey):
    """Not only within the hour: an alert would last as long."""
    env = {**sandbox.env, "REDIS_URL": valkey.url, "SYNC_WEBHOOK_SECRET": SECRET}
    driver.kit.freshness.save_callbacks(6, ["open"])

    ended = CliRunner().invoke(
        main, ["setup", "--webhooks", "http://127.0.0.1:9"], env=env
    )

    assert ended.exit_code == 0
    assert driver.kit.freshness.callbacks() == (len(EventKind), ())


def test_somebody_elses_callback_survives(sandbox, driver, mailjet):
    other = {"EventType": "spam", "Url": "https://crm.example.com/hook"}
    mailjet.call("POST", "eventcallbackurl", other)

    missing = register(driver.kit, "http://127.0.0.1:9", lambda line: None)

    assert missing == (EventKind.SPAM,)
    [kept] = [row for row in sandbox.callbacks() if row["EventType"] == "spam"]
    assert kept["Url"] == other["Url"]
