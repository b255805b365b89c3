"""The sandbox's Mailjet: who is told of events, and how they get there."""

import json
import time
from base64 import b64encode
from collections.abc import Iterator

import pytest

from tests.sandbox import MailjetCaller, Row, Sandbox, fresh_email
from tests.sandbox_events import Received, Receiver, wait_until

KINDS = ("open", "click", "bounce", "spam", "blocked", "unsub", "sent")
NOBODY = "http://127.0.0.1:9/hooks"


@pytest.fixture(autouse=True)
def _forgotten(sandbox: Sandbox) -> Iterator[None]:
    """Nobody listens yet, and nobody does any more."""
    defaults = {"callback_retry_seconds": 0.05, "callback_gives_up_seconds": 86_400}
    sandbox.settings(**defaults)
    sandbox.forget_callbacks()
    yield
    sandbox.forget_callbacks()


def listen(mailjet: MailjetCaller, event: str, url: str, **fields: object) -> Row:
    body = {"EventType": event, "Url": url, "Version": 2, **fields}
    response = mailjet.call("POST", "eventcallbackurl", body)
    assert response.status_code == 201, response.text
    row: Row = response.json()["Data"][0]
    return row


def events(posts: list[Received]) -> list[Row]:
    """All that the posts told of, whichever version they have."""
    bodies = [json.loads(post.body) for post in posts]
    return [
        event
        for body in bodies
        for event in (body if isinstance(body, list) else [body])
    ]


def status(sandbox: Sandbox, event: str, *, backup: bool = False) -> str:
    rows = sandbox.callbacks()
    wanted = (event, backup)
    (row,) = [r for r in rows if (r["EventType"], r["IsBackup"]) == wanted]
    return str(row["Status"])


# The addresses


def test_an_address_is_created_with_201_and_shown_whole(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 6.1."""
    row = listen(mailjet, "open", NOBODY)

    assert row == {
        "APIKeyID": row["APIKeyID"],
        "EventType": "open",
        "ID": row["ID"],
        "IsBackup": False,
        "Status": "alive",
        "Url": NOBODY,
        "Version": 2,
    }
    assert mailjet.rows(f"eventcallbackurl/{row['ID']}") == [row]


def test_a_kind_of_event_has_one_address_and_one_backup(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 6.1."""
    listen(mailjet, "open", NOBODY)
    listen(mailjet, "open", NOBODY, IsBackup=True)
    body = {"EventType": "open", "Url": "http://127.0.0.1:9/other"}
    again = mailjet.call("POST", "eventcallbackurl", body)

    assert again.status_code == 400
    assert again.json()["ErrorMessage"].startswith("MJ18")
    for wrong in ({"EventType": "weather"}, {"Url": "ftp://x"}, {"Version": 3}):
        body = {"EventType": "click", "Url": NOBODY, **wrong}
        assert mailjet.call("POST", "eventcallbackurl", body).status_code == 400
    stranger = {"EventType": "click", "Url": NOBODY, "APIKeyID": 1}
    assert mailjet.call("POST", "eventcallbackurl", stranger).status_code == 400


def test_an_address_is_found_by_its_pair(mailjet: MailjetCaller) -> None:
    """Mailjet 1.2."""
    first = listen(mailjet, "unsub", NOBODY)
    backup = listen(mailjet, "unsub", NOBODY, IsBackup=True)

    assert mailjet.rows("eventcallbackurl/unsub|false") == [first]
    assert mailjet.rows("eventcallbackurl/unsub%7Ctrue") == [backup]
    path = "eventcallbackurl/unsub|false"
    assert mailjet.call("DELETE", path).status_code == 204
    assert mailjet.call("GET", path).status_code == 404
    assert mailjet.call("GET", "eventcallbackurl/999").status_code == 404


def test_addresses_come_ten_a_page_like_everything(mailjet: MailjetCaller) -> None:
    """Mailjet 6.1, Mailjet 10: 9."""
    for kind in KINDS:
        listen(mailjet, kind, NOBODY)
        listen(mailjet, kind, NOBODY, IsBackup=True)

    assert len(mailjet.rows("eventcallbackurl")) == 10
    assert len(mailjet.rows("eventcallbackurl", Limit=100)) == 14
    backups = mailjet.rows("eventcallbackurl", Backup="true", Limit=100)
    assert [row["EventType"] for row in backups] == list(KINDS)
    assert len(mailjet.rows("eventcallbackurl", EventType="spam")) == 2
    unknown = mailjet.call("GET", "eventcallbackurl", params={"Url": NOBODY})
    assert unknown.status_code == 400


def test_a_put_that_changes_no_address_is_304(mailjet: MailjetCaller) -> None:
    """Mailjet 6.1."""
    listen(mailjet, "open", NOBODY)
    path = "eventcallbackurl/open|false"

    assert mailjet.call("PUT", path, {"Url": NOBODY}).status_code == 304
    changed = mailjet.call("PUT", path, {"Url": f"{NOBODY}/2", "Version": 1})
    assert changed.status_code == 200
    assert changed.json()["Data"][0]["Url"] == f"{NOBODY}/2"
    listen(mailjet, "click", NOBODY)
    assert mailjet.call("PUT", path, {"EventType": "click"}).status_code == 400


# Delivery


def test_version_2_groups_kinds_and_posts_once_a_second(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 6.1."""
    email = fresh_email()
    with Receiver() as receiver:
        listen(mailjet, "open", receiver.url)
        listen(mailjet, "click", receiver.url)
        began = time.monotonic()
        told = [sandbox.mail_event("open", email)]
        receiver.wait_for(1)
        told += [sandbox.mail_event(kind, email) for kind in ("click", "open")]
        wait_until(lambda: len(events(receiver.received)) == 3)
        first, *rest = receiver.received

    assert events([first, *rest]) == told
    assert isinstance(json.loads(first.body), list)
    assert rest[0].at - began > 0.9
    assert first.headers["content-type"].startswith("application/json")


def test_version_1_posts_each_event_as_a_bare_object(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 6.1."""
    email = fresh_email()
    with Receiver() as receiver:
        listen(mailjet, "open", receiver.url, Version=1)
        told = [sandbox.mail_event("open", email) for _ in range(3)]
        posts = receiver.wait_for(3)

    assert all(isinstance(json.loads(post.body), dict) for post in posts)
    by_id = {event["MessageID"]: event for event in events(posts)}
    assert by_id == {event["MessageID"]: event for event in told}


def test_the_only_protection_is_the_password_in_the_address(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 6.2."""
    with Receiver() as receiver:
        url = receiver.url.replace("//", "//mailjet:s%40cret@")
        listen(mailjet, "unsub", url)
        sandbox.mail_event("unsub", fresh_email())
        (post,) = receiver.wait_for(1)
        wait_until(lambda: sandbox.deliveries()[-1]["status"] == "delivered")
        delivery = sandbox.deliveries()[-1]

    credentials = b64encode(b"mailjet:s@cret").decode()
    assert post.headers["authorization"] == f"Basic {credentials}"
    assert not [name for name in post.headers if "signature" in name]
    assert delivery == {
        "vendor": "mailjet",
        "kind": "unsub",
        "url": receiver.url,
        "status": "delivered",
        "attempts": 1,
        "answer": 200,
    }


def test_every_answer_but_200_is_tried_again(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 6.2."""
    with Receiver(500, 204, 302) as receiver:
        listen(mailjet, "spam", receiver.url)
        event = sandbox.mail_event("spam", fresh_email())
        posts = receiver.wait_for(4)
        wait_until(lambda: sandbox.deliveries()[-1]["status"] == "delivered")

    assert [json.loads(post.body) for post in posts] == [[event]] * 4
    assert sandbox.deliveries()[-1]["attempts"] == 4


def test_an_address_that_fails_for_long_is_dead_and_its_backup_takes_over(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 6.2."""
    sandbox.settings(callback_gives_up_seconds=0.2)
    with Receiver() as backup:
        listen(mailjet, "bounce", NOBODY)
        listen(mailjet, "bounce", backup.url, IsBackup=True)
        first = sandbox.mail_event("bounce", fresh_email())
        backup.wait_for(1)
        assert status(sandbox, "bounce") == "dead"
        second = sandbox.mail_event("bounce", fresh_email())
        posts = backup.wait_for(2)

    assert events(posts) == [first, second]
    assert status(sandbox, "bounce", backup=True) == "alive"


def test_a_dead_address_is_revived_by_a_new_one_only_and_what_it_missed_is_lost(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 6.2."""
    sandbox.settings(callback_gives_up_seconds=0.0)
    path, old = "eventcallbackurl/click|false", NOBODY
    listen(mailjet, "click", old)
    sandbox.mail_event("click", fresh_email())
    wait_until(lambda: status(sandbox, "click") == "dead")
    before = len(sandbox.deliveries())
    sandbox.mail_event("click", fresh_email())
    same = mailjet.call("PUT", path, {"Url": old, "Status": "alive"})
    still = status(sandbox, "click")
    with Receiver() as receiver:
        new = mailjet.call("PUT", path, {"Url": receiver.url})
        event = sandbox.mail_event("click", fresh_email())
        posts = receiver.wait_for(1)

    assert (same.status_code, still) == (304, "dead")
    assert new.json()["Data"][0]["Status"] == "alive"
    assert events(posts) == [event]
    given_up, *later = sandbox.deliveries()[before - 1 :]
    assert given_up["status"] == "given up"
    assert len(later) == 1


def test_a_lost_webhook_leaves_its_traces_in_the_account(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    email, before = fresh_email(), len(sandbox.deliveries())
    mailjet.manage(email)
    with Receiver() as receiver:
        listen(mailjet, "unsub", receiver.url)
        said = {"list_id": mailjet.list_id, "deliver": False}
        sandbox.mail_event("unsub", email, **said)
        after = len(sandbox.deliveries())
        heard = list(receiver.received)

    assert mailjet.is_unsubscribed(email) is True
    assert (after, heard) == (before, [])


def test_events_stay_on_this_machine_and_are_no_calls(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    listen(mailjet, "open", "https://hooks.example.com/mailjet")
    sandbox.clear_log()
    sandbox.mail_event("open", fresh_email())
    refused = sandbox.deliveries()[-1]
    with Receiver() as receiver:
        listen(mailjet, "click", receiver.url)
        sandbox.mail_event("click", fresh_email())
        receiver.wait_for(1)
        log = sandbox.log()

    assert (refused["status"], refused["attempts"]) == ("refused", 0)
    assert [entry["route"] for entry in log] == ["/v3/REST/eventcallbackurl"]
