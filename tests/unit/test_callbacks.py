"""Callbacks of Mailjet's: ours are kept in place, others are left alone."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.bootstrap import Kit, build
from pipeline.callbacks import callback_url, dead_callbacks, register
from pipeline.config import from_env
from pipeline.errors import ConfigError, Rejected
from pipeline.findings import Level
from pipeline.mailjet.callbacks import Callback
from pipeline.mailjet.client import MailjetClient
from pipeline.sync.mail_event import EventKind
from tests.builders import make_environ
from tests.recorded import RecordedVendor, Recording, recording, sample

SECRET = "0123456789abcdef"
HOST = "https://sync.example.com"
OURS = f"https://mailjet:{SECRET}@sync.example.com/webhooks/mailjet/default"
EVENTS = tuple(EventKind)


def row(number: int, event: str, url: str = OURS, **more: Any) -> dict[str, Any]:
    alive = {"IsBackup": False, "Status": "alive", "Version": 2}
    return {"ID": number, "EventType": event, "Url": url, **alive, **more}


def listing(*rows: dict[str, Any]) -> Recording:
    return recording({"Count": len(rows), "Data": list(rows), "Total": len(rows)})


def all_ours(**more: Any) -> list[dict[str, Any]]:
    return [row(number, kind, **more) for number, kind in enumerate(EVENTS, 1)]


def make_kit(*answers: Recording, **environ: str) -> tuple[Kit, RecordedVendor]:
    vendor = RecordedVendor("mailjet", *answers)
    settings = from_env(make_environ(**{"SYNC_WEBHOOK_SECRET": SECRET, **environ}))
    kit = build(settings).kit("default")
    return replace(kit, mailjet_session=vendor.session), vendor


def writes(vendor: RecordedVendor) -> list[tuple[str, str, Any]]:
    return [(s.method, s.path, s.body) for s in vendor.sent if s.method != "GET"]


def test_callbacks_are_read_with_their_state() -> None:
    vendor = RecordedVendor("mailjet", sample("mailjet/list_callbacks"))

    ours, other = MailjetClient(vendor.session).list_callbacks()

    assert ours == Callback(31, "open", OURS, 2, is_backup=False, alive=True)
    assert (other.event, other.version) == ("click", 1)
    assert (other.is_backup, other.alive) == (True, False)
    assert vendor.sent[0].path == "/v3/REST/eventcallbackurl"
    assert vendor.sent[0].query["Limit"] == "1000"
    assert SECRET not in repr(ours)


def test_a_callback_is_made_for_groups_of_events() -> None:
    vendor = RecordedVendor("mailjet", sample("mailjet/create_callback"))

    created = MailjetClient(vendor.session).create_callback("open", OURS)

    assert created.id == 33
    body = {"EventType": "open", "Url": OURS, "Version": 2}
    assert writes(vendor) == [("POST", "/v3/REST/eventcallbackurl", body)]


@pytest.mark.parametrize(
    "words", [f"Invalid URL {OURS}", f'Url "{OURS}" is taken', OURS.replace("@", "%40")]
)
def test_a_refusal_that_quotes_the_url_does_not_tell_the_password(words: str) -> None:
    refusal = recording({"ErrorMessage": words, "StatusCode": 400}, 400)
    vendor = RecordedVendor("mailjet", refusal, refusal)
    client = MailjetClient(vendor.session)

    for call in (client.create_callback, client.replace_callback):
        with pytest.raises(Rejected) as raised:
            call(3, OURS)  # type: ignore[operator]
        assert SECRET not in str(raised.value)


def test_every_event_gets_a_callback_where_there_is_none() -> None:
    made = [sample("mailjet/create_callback") for _ in EVENTS]
    kit, vendor = make_kit(listing(), *made, listing(*all_ours()))
    told: list[str] = []

    missing = register(kit, HOST, told.append)

    assert [(body["EventType"], body["Url"]) for _, _, body in writes(vendor)] == [
        (kind, OURS) for kind in EVENTS
    ]
    assert missing == ()
    assert told[-1] == (
        "Mailjet posts 7 of 7 events to sync.example.com/webhooks/mailjet/default"
    )
    assert SECRET not in "".join(told)


def test_callbacks_that_are_in_place_are_left_alone() -> None:
    kit, vendor = make_kit(listing(*all_ours()), listing(*all_ours()))

    assert register(kit, f"{HOST}/", lambda line: None) == ()
    assert writes(vendor) == []


@pytest.mark.parametrize(
    "url",
    [
        OURS.replace(SECRET, "another-password-"),
        OURS.replace("sync.example.com", "old.example.com:8443/behind"),
        "https://old.example.com/webhooks/mailjet/default/",
    ],
)
def test_a_callback_of_ours_moves_to_the_new_address_or_password(url: str) -> None:
    before = [row(5, "open", url), *all_ours()[:1], *all_ours()[2:]]
    kit, vendor = make_kit(listing(*before), recording("", 304), listing(*all_ours()))
    told: list[str] = []

    assert register(kit, HOST, told.append) == ()
    body = {"Url": OURS, "Status": "alive"}
    assert writes(vendor) == [("PUT", "/v3/REST/eventcallbackurl/5", body)]
    assert told[0] == "Mailjet callback of open: moved here"


def test_a_dead_callback_is_revived() -> None:
    before = [row(5, "open", Status="dead"), *all_ours()[:1], *all_ours()[2:]]
    puts = recording("", 304), recording("", 304)
    kit, vendor = make_kit(listing(*before), *puts, listing(*all_ours()))
    told: list[str] = []

    assert register(kit, HOST, told.append) == ()
    # Mailjet revives for a new URL only, and the right one is the old one.
    assert [body["Url"] for _, _, body in writes(vendor)] == [f"{OURS}/", OURS]
    assert told[0] == "Mailjet callback of open: was dead; revived"


def test_a_callback_that_stays_dead_is_told() -> None:
    dead = [row(5, "open", Status="dead"), *all_ours()[:1], *all_ours()[2:]]
    puts = recording("", 304), recording("", 304)
    kit, _ = make_kit(listing(*dead), *puts, listing(*dead))
    told: list[str] = []

    assert register(kit, HOST, told.append) == (EventKind.OPEN,)
    assert told[1].startswith("Mailjet callback of open: still dead; delete it in")
    assert told[2].startswith("Mailjet posts 6 of 7 events to ")


@pytest.mark.parametrize(
    "url",
    [
        "https://crm.example.com/hook",
        "https://mailjet:x@sync.example.com/webhooks/mailjet/other",
        "https://sync.example.com/webhooks/mailjet/my-default",
        "https://[broken/webhooks/mailjet/default",
    ],
)
@pytest.mark.parametrize("status", ["alive", "dead"])
def test_somebody_elses_callback_is_left_alone_and_told(url: str, status: str) -> None:
    others = [row(5, "open", url, Status=status), row(6, "sent", url, Status=status)]
    rows = [
        *others,
        *(one for one in all_ours() if one["EventType"] not in ("open", "sent")),
    ]
    kit, vendor = make_kit(listing(*rows), listing(*rows))
    told: list[str] = []

    assert register(kit, HOST, told.append) == (EventKind.SENT, EventKind.OPEN)
    assert writes(vendor) == []
    assert "sent: taken by another receiver" in told[0]
    assert "nobody hears of these events" in told[0]
    assert "open: taken by another receiver" in told[1]
    assert "only polling tells of these events" in told[1]
    assert "crm.example.com" not in "".join(told)


def test_a_backup_is_no_callback_of_ours() -> None:
    made = sample("mailjet/create_callback")
    rows = [row(5, "open", IsBackup=True), *all_ours()[:1], *all_ours()[2:]]
    kit, vendor = make_kit(listing(*rows), made, listing(*all_ours()))

    register(kit, HOST, lambda line: None)

    assert [(method, body["EventType"]) for method, _, body in writes(vendor)] == [
        ("POST", "open")
    ]


@pytest.mark.parametrize(
    ("base", "problem"),
    [
        ("http://sync.example.com", "must be https"),
        ("https://me:secret@sync.example.com", "no user or query"),
        ("https://sync.example.com/?token=secret", "no user or query"),
        ("sync.example.com", "not an http(s) address"),
        ("", "not an http(s) address"),
    ],
)
def test_mailjet_gets_no_address_that_is_not_safe(base: str, problem: str) -> None:
    kit, vendor = make_kit()

    with pytest.raises(ConfigError) as raised:
        register(kit, base, lambda line: None)

    [line] = raised.value.problems
    assert line.startswith("--webhooks: ")
    assert problem in line
    assert "secret" not in line
    assert vendor.sent == []


def test_without_a_password_nothing_is_registered() -> None:
    kit, vendor = make_kit(SYNC_WEBHOOK_SECRET="")

    with pytest.raises(ConfigError, match=r"^SYNC_WEBHOOK_SECRET: missing"):
        register(kit, HOST, lambda line: None)

    assert vendor.sent == []


def test_a_local_receiver_is_reached_without_tls_and_below_a_path() -> None:
    kit, _ = make_kit()

    assert callback_url(kit, "http://127.0.0.1:8090/hooks/") == (
        f"http://mailjet:{SECRET}@127.0.0.1:8090/hooks/webhooks/mailjet/default"
    )


def test_check_finds_what_mailjet_gave_up_on() -> None:
    rows = [
        row(1, "open", Status="dead"),
        row(2, "click"),
        row(3, "spam", "https://x.y/"),
    ]
    kit, _ = make_kit(listing(*rows))

    [finding] = dead_callbacks(kit)

    assert finding.level is Level.WARNING
    assert "gave up posting open:" in finding.what
    assert "setup --webhooks" in finding.mend


def test_check_finds_callbacks_with_another_password() -> None:
    kit, _ = make_kit(listing(*all_ours(url=OURS.replace(SECRET, "another"))))

    [finding] = dead_callbacks(kit)

    assert finding.level is Level.FAILURE
    assert "with another password" in finding.what
    assert SECRET not in finding.what


def test_check_is_content_with_callbacks_that_are_alive() -> None:
    kit, _ = make_kit(listing(*all_ours()))

    [finding] = dead_callbacks(kit)

    assert finding.level is Level.OK


def test_check_asks_nothing_where_there_are_no_webhooks() -> None:
    kit, vendor = make_kit(SYNC_WEBHOOK_SECRET="")

    assert list(dead_callbacks(kit)) == []
    assert vendor.sent == []


def test_check_finds_nothing_where_none_is_ours() -> None:
    kit, _ = make_kit(listing(row(3, "spam", "https://x.y/"), row(4, "newly-added")))

    assert list(dead_callbacks(kit)) == []


def test_check_goes_on_where_mailjet_does_not_tell() -> None:
    kit, _ = make_kit(sample("mailjet/500_database"))

    [finding] = dead_callbacks(kit)

    assert finding.level is Level.WARNING
