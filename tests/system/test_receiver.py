"""The receiver as Gunicorn runs it: what it takes, what it refuses, what it loses."""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import requests

from pipeline.bootstrap import Pipeline, build
from pipeline.config import from_env
from pipeline.permit import Lane
from pipeline.store.inbox import Counts
from pipeline.store.processes import Worker
from pipeline.store.state import connection_key
from tests.builders import ENVIRON
from tests.sandbox import Sandbox, fresh_email
from tests.system.installation import GOOD_NIGHT, Installation, installation
from tests.system.processes import Processes, until
from tests.system.receiving import (
    ANSWER_SECONDS,
    SECRET,
    Receiver,
    basic,
    ghl_body,
    mailjet_body,
    receiving,
    settings,
    signed,
    started,
)
from tests.valkey import Valkey, free_port

MANY_BYTES = 5 * 2**20
CONTACT = b'{"contact_id": "gTqCpqZlEsF0mRTBJz3k"}'
OTHER_KEY_SIGNATURE = "bm90IHRoZSBvbmU="
PATHS = ("mailjet/default", "ghl", "workflow/default/contact")


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with Valkey(appendonly="yes") as running:
        yield running


@pytest.fixture(scope="module")
def both(server: Valkey) -> Iterator[tuple[Receiver, Pipeline]]:
    with receiving(server) as running:
        yield running


@pytest.fixture
def pipeline(server: Valkey, both: tuple[Receiver, Pipeline]) -> Pipeline:
    """The state, with nothing in it."""
    both[1].redis.flushall()
    return both[1]


@pytest.fixture
def receiver(both: tuple[Receiver, Pipeline], pipeline: Pipeline) -> Receiver:
    return both[0]


def headers_for(path: str, body: bytes) -> dict[str, str]:
    """Those with which the right sender posts there."""
    return {
        **({"X-Webhook-Secret": SECRET} if path.startswith("workflow") else {}),
        **(basic(SECRET) if path.startswith("mailjet") else {}),
        **(signed(body) if path == "ghl" else {}),
    }


def waiting(pipeline: Pipeline) -> int:
    return pipeline.inbox.waiting()


def raw(receiver: Receiver, request: bytes) -> socket.socket:
    """A connection on which so much was sent."""
    address = ("127.0.0.1", receiver.port)
    client = socket.create_connection(address, timeout=ANSWER_SECONDS)
    client.sendall(request)
    return client


def test_what_each_sender_posts_waits_in_the_inbox_as_it_was_sent(
    receiver: Receiver, pipeline: Pipeline
) -> None:
    ghl, mailjet = ghl_body(id="c1"), mailjet_body()

    answers = [
        receiver.ghl(ghl),
        receiver.mailjet(mailjet),
        receiver.workflow("note", CONTACT),
    ]

    kept = [claimed.entry for claimed in pipeline.inbox.claim(10, 60)]
    assert answers == [200, 200, 200]
    assert {(e.source.value, e.place, e.what): e.body for e in kept} == {
        ("ghl", "loc1", ""): ghl,
        ("mailjet", "default", ""): mailjet,
        ("workflow", "default", "note"): CONTACT,
    }


def test_an_array_is_taken_whatever_type_the_header_names(
    receiver: Receiver, pipeline: Pipeline
) -> None:
    headers = {**basic(SECRET), "Content-Type": "text/plain; charset=latin-1"}

    answer = receiver.post("mailjet/default", b'[{"event": "open"}]', headers)

    assert (answer.status_code, waiting(pipeline)) == (200, 1)


def test_a_repeat_is_answered_200_and_changes_nothing(
    receiver: Receiver, pipeline: Pipeline
) -> None:
    first = ghl_body(webhookId="w1", id="c1")
    again = ghl_body(webhookId="w1", id="c1", timestamp="2026-11-28T10:10:00.000Z")
    mailjet = mailjet_body()

    answers = [receiver.ghl(first), receiver.ghl(again), receiver.ghl(first)]
    answers += [receiver.mailjet(mailjet), receiver.mailjet(mailjet)]

    assert answers == [200] * 5
    assert waiting(pipeline) == 2


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("mailjet/default", {}),
        ("mailjet/default", basic("another-secret-of-it")),
        ("mailjet/default", basic(SECRET, user="admin")),
        ("mailjet/default", basic("")),
        ("mailjet/default", basic(SECRET + "x")),
        ("mailjet/nobody", basic(SECRET)),
        ("mailjet/nobody", basic("")),
        ("mailjet/silent", basic(SECRET)),
        ("mailjet/silent", basic("")),
        ("mailjet/default", {"Authorization": f"Bearer {SECRET}"}),
        ("mailjet/default", {"Authorization": "Basic !!!"}),
        ("mailjet/default", {"Authorization": "Basic /w=="}),
        ("mailjet/default", {"X-Webhook-Secret": SECRET}),
        ("workflow/default/contact", {}),
        ("workflow/default/contact", {"X-Webhook-Secret": "another-secret-of-it"}),
        ("workflow/nobody/contact", {"X-Webhook-Secret": SECRET}),
        ("workflow/nobody/contact", {"X-Webhook-Secret": ""}),
        ("workflow/silent/contact", {"X-Webhook-Secret": ""}),
        ("workflow/default/contact", basic(SECRET)),
        ("ghl", {}),
        ("ghl", {"X-GHL-Signature": "N/A"}),
        ("ghl", {"X-GHL-Signature": ""}),
        ("ghl", {"X-GHL-Signature": OTHER_KEY_SIGNATURE}),
        ("ghl", {"X-WH-Signature": OTHER_KEY_SIGNATURE}),
        ("ghl", signed(b"another body")),
        ("ghl", basic(SECRET)),
    ],
)
def test_whoever_cannot_show_who_they_are_is_refused(
    both: tuple[Receiver, Pipeline],
    pipeline: Pipeline,
    path: str,
    headers: dict[str, str],
) -> None:
    answer = both[0].post(path, CONTACT, headers)

    assert (answer.status_code, answer.json()) == (401, {"status": "unauthorized"})
    assert waiting(pipeline) == 0


def test_a_connection_without_a_secret_refuses_everybody(
    server: Valkey, pipeline: Pipeline
) -> None:
    with receiving(server, SYNC_WEBHOOK_SECRET="") as (silent, _):
        answers = [silent.mailjet(CONTACT, secret) for secret in ("", SECRET)]
        answers += [silent.workflow("dnd", CONTACT, s) for s in ("", SECRET)]
        by_ghl = silent.ghl(ghl_body(id="c1"))

    assert answers == [401] * 4
    assert by_ghl == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b'{"event": "open"',
        b'"a text"',
        b"17",
        b"null",
        b'{"event": "\xff"}',
        '{"event": "open"}'.encode("utf-16"),
        b"[" * 200_000 + b"]" * 200_000,
        b'{"number": ' + b"9" * 10_000 + b"}",
    ],
    ids=[
        *("nothing", "text", "cut", "string", "number", "null"),
        *("latin-1", "utf-16", "deep", "long number"),
    ],
)
def test_what_is_no_object_or_array_is_refused(
    receiver: Receiver, pipeline: Pipeline, path: str, body: bytes
) -> None:
    answer = receiver.post(path, body, headers_for(path, body))

    assert (answer.status_code, answer.json()) == (400, {"status": "bad request"})
    assert waiting(pipeline) == 0


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("chunked", [False, True], ids=["told", "chunked"])
def test_five_mebibytes_are_taken_and_a_byte_more_is_not(
    receiver: Receiver, pipeline: Pipeline, path: str, chunked: bool
) -> None:
    answers = []
    for size in (MANY_BYTES, MANY_BYTES + 1):
        body = b"[" + b" " * (size - 2) + b"]"
        sent = iter([body[:70_000], body[70_000:]]) if chunked else body
        answer = receiver.post(path, sent, headers_for(path, body))  # type: ignore[arg-type]
        answers.append(answer.status_code)

    assert answers == [200, 413]
    assert waiting(pipeline) == 1


def test_of_a_body_that_is_too_large_nothing_is_waited_for(receiver: Receiver) -> None:
    head = f"POST /webhooks/ghl HTTP/1.1\r\nHost: x\r\nContent-Length: {2**40}\r\n\r\n"

    with raw(receiver, head.encode()) as client:
        answer = client.recv(1000)

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_without_an_end_is_refused_before_it_ends(receiver: Receiver) -> None:
    told = basic(SECRET)["Authorization"]
    head = "POST /webhooks/mailjet/default HTTP/1.1\r\nHost: x\r\n"
    head += f"Authorization: {told}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with raw(receiver, head.encode()) as client:
        try:
            for _ in range(1000):
                client.sendall(b"10000\r\n" + b" " * 65_536 + b"\r\n")
        except OSError:
            pass
        else:
            pytest.fail("64 MiB were read")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"])
@pytest.mark.parametrize("path", PATHS)
def test_nothing_but_a_post_is_for_webhooks(
    receiver: Receiver, method: str, path: str
) -> None:
    answer = requests.request(
        method, f"{receiver.url}/webhooks/{path}", timeout=ANSWER_SECONDS
    )

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path", ["", "mailjet", "workflow/default", "workflow/default/other", "ghl/more"]
)
def test_there_is_nothing_elsewhere(receiver: Receiver, path: str) -> None:
    assert receiver.post(path, CONTACT, basic(SECRET)).status_code == 404


def test_without_redis_it_says_503_soon_and_goes_on_with_it_again(
    receiver: Receiver, pipeline: Pipeline, server: Valkey
) -> None:
    before = receiver.mailjet(mailjet_body(1))
    server.kill()
    began = time.monotonic()
    refused = [receiver.mailjet(mailjet_body(2)), receiver.get("health").status_code]
    refused.append(receiver.get("metrics").status_code)
    took = time.monotonic() - began
    server.start()

    again = [receiver.mailjet(mailjet_body(n)) for n in (1, 2)]

    assert (before, refused, again) == (200, [503] * 3, [200] * 2)
    assert took < ANSWER_SECONDS / 2
    assert waiting(pipeline) == 2
    counted = pipeline.inbox.received
    until(lambda: counted().get("mailjet:5xx"), "the refusal is counted", GOOD_NIGHT)


def test_a_silent_redis_is_not_waited_for(
    receiver: Receiver, pipeline: Pipeline, server: Valkey
) -> None:
    receiver.mailjet(mailjet_body(1))
    server.pause()
    try:
        began = time.monotonic()
        refused = receiver.mailjet(mailjet_body(2))
        took = time.monotonic() - began
        unhealthy = receiver.get("health")
    finally:
        server.resume()

    assert (refused, unhealthy.status_code) == (503, 503)
    assert unhealthy.json() == {"status": "service unavailable"}
    # Two seconds are promised; the rest is this machine's.
    assert took < 5


def test_a_redis_that_takes_no_more_is_no_health(
    receiver: Receiver, pipeline: Pipeline
) -> None:
    pipeline.redis.config_set("maxmemory", 1)
    try:
        refused = receiver.mailjet(mailjet_body()), receiver.get("health").status_code
    finally:
        pipeline.redis.config_set("maxmemory", 0)

    assert refused == (503, 503)
    assert receiver.mailjet(mailjet_body()) == 200


def test_the_status_page_is_behind_the_password_that_was_printed(
    receiver: Receiver,
) -> None:
    found = re.search(r"user operator, password (\S+) for this", receiver.process.log)
    assert found is not None
    refused = receiver.get("")
    headers = basic(found[1], user="operator")
    shown = requests.get(receiver.url, headers=headers, timeout=ANSWER_SECONDS)

    assert refused.status_code == 401
    assert refused.headers["X-Frame-Options"] == "DENY"
    assert shown.status_code == 200
    assert "not set up" in shown.text


def test_health_tells_what_runs_and_what_waits(
    receiver: Receiver, pipeline: Pipeline
) -> None:
    alone = receiver.get("health").json()
    pipeline.processes.ticked()
    pipeline.processes.worker_alive(Worker("boot", 16, "celery@here"))
    receiver.mailjet(mailjet_body())
    among_others = receiver.get("health").json()

    assert alone == {
        "status": "ok",
        "beat_tick_age_seconds": None,
        "workers": 0,
        "inbox_waiting": 0,
    }
    assert among_others.pop("beat_tick_age_seconds") < ANSWER_SECONDS
    assert among_others == {"status": "ok", "workers": 1, "inbox_waiting": 1}


def test_metrics_tell_the_state_that_is_in_redis(
    receiver: Receiver, pipeline: Pipeline
) -> None:
    kit = pipeline.kit("default")
    kit.ledger.mark(Lane.CONSENT, ["a", "b"])
    report = json.dumps({"at_ms": 1_795_449_600_000, "mailable": 1, "unblocked": 2})
    pipeline.redis.set(connection_key("default", "drift"), report)
    receiver.ghl(ghl_body(id="c1"))
    receiver.post("ghl", b"{}")
    receiver.post("nowhere", b"{}")
    answers = {("ghl", "2xx"), ("ghl", "4xx"), ("other", "4xx")}
    counted = {f"{source}:{status}" for source, status in answers}
    until(lambda: counted <= pipeline.inbox.received().keys(), "counted", GOOD_NIGHT)

    told = receiver.metrics()

    expected = {
        'ghl_mailjet_inbox_entries{state="waiting"}': 1,
        'ghl_mailjet_inbox_entries{state="failed"}': 0,
        'ghl_mailjet_waiting_contacts{connection="default",lane="consent"}': 2,
        'ghl_mailjet_dead_letters{connection="default"}': 0,
        'ghl_mailjet_paused{by="trouble",connection="default"}': 0,
        "ghl_mailjet_workers{}": 0,
    }
    drift = "ghl_mailjet_consent_drift_contacts"
    for direction, people in (("mailable", 1), ("unblocked", 2)):
        labels = f'connection="default",direction="{direction}"'
        expected[f"{drift}{{{labels}}}"] = people
    named = {name.removesuffix("{}"): value for name, value in expected.items()}
    assert {key: told.get(key) for key in named} == named
    received = "ghl_mailjet_received_requests_total"
    for source, status in answers:
        # What was answered before this test may have been counted in it.
        assert told[f'{received}{{source="{source}",status="{status}"}}'] >= 1


@pytest.mark.parametrize("stored", ["", "no JSON", "[]", '{"mailable": "many"}'])
def test_a_consent_report_that_cannot_be_read_is_left_out(
    receiver: Receiver, pipeline: Pipeline, stored: str
) -> None:
    pipeline.redis.set(connection_key("default", "drift"), stored)

    told = receiver.metrics()

    assert not [name for name in told if "drift" in name or "consent_report" in name]
    assert told["ghl_mailjet_workers"] == 0


def test_clients_that_stall_keep_nobody_out(
    receiver: Receiver, pipeline: Pipeline
) -> None:
    in_the_head = b"POST /webhooks/ghl HTTP/1.1\r\nHost:"
    in_the_body = f"{in_the_head.decode()} x\r\nContent-Length: 9\r\n\r\n[".encode()
    clients = [raw(receiver, text) for text in (in_the_head, in_the_body) * 20]
    try:
        answer = receiver.mailjet(mailjet_body())
    finally:
        for client in clients:
            client.close()

    assert answer == 200
    assert "Traceback" not in receiver.process.log


def test_clients_that_do_not_go_keep_nobody_out(receiver: Receiver) -> None:
    clients = [raw(receiver, b"no HTTP\r\n\r\n") for _ in range(10)]
    try:
        began = time.monotonic()
        answer = receiver.mailjet(mailjet_body())
        took = time.monotonic() - began
    finally:
        for client in clients:
            client.close()

    assert answer == 200
    # Gunicorn by itself waits two seconds for each, one after the other.
    assert took < 10


def test_it_ends_in_good_order(server: Valkey, pipeline: Pipeline) -> None:
    with receiving(server) as (ending, _):
        answer = ending.mailjet(mailjet_body())
        status = ending.process.end()

    assert (answer, status) == (200, 0)
    assert waiting(pipeline) == 1


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"GHL_TOKEN": ""}, "GHL_TOKEN: missing"),
        (
            {"GHL_WEBHOOK_PUBLIC_KEY": "no key"},
            "GHL_WEBHOOK_PUBLIC_KEY: not an Ed25519",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_told_and_end_it(
    server: Valkey, wrong: dict[str, str], line: str
) -> None:
    told = {**ENVIRON, **settings(f"127.0.0.1:{free_port()}"), **wrong}
    with Processes({**told, "REDIS_URL": server.url}) as processes:
        ending = processes.receiver()
        status = ending.wait(GOOD_NIGHT)

        assert status == 1
        assert line in ending.log
        assert "Traceback" not in ending.log


QUIET = {"SYNC_CHANGES_INTERVAL_SECONDS": "86400"}
"""New contacts are not found but by webhook, or by the next full run."""


@pytest.fixture(scope="module")
def whole() -> Iterator[tuple[Installation, Receiver]]:
    """An installation at rest, with a receiver."""
    bind = settings(f"127.0.0.1:{free_port()}")
    people = ("--contacts", "3")
    with installation(*people, **QUIET, **bind) as running:
        running.supervised.append(running.start())
        running.first_run()
        with started(running.processes) as receiver:
            yield running, receiver


def newcomer(running: Installation) -> tuple[str, bytes]:
    """Somebody new in GHL: the address, and the webhook that tells of it."""
    person = running.sandbox.put_contact(email=(email := fresh_email()))
    location = running.kit.connection.ghl_location_id
    return email, ghl_body("ContactCreate", id=person["id"], locationId=location)


def test_what_was_answered_200_is_done_whoever_is_killed_after_it(
    whole: tuple[Installation, Receiver],
) -> None:
    running, receiver = whole
    before = running.pipeline.inbox.handled().get("ghl:applied", 0)
    promised: set[str] = set()

    def post(count: int) -> None:
        for email, body in [newcomer(running) for _ in range(count)]:
            assert receiver.ghl(body) == 200
            promised.add(email)

    def applied() -> int:
        return running.pipeline.inbox.handled().get("ghl:applied", 0) - before

    worker = running.processes.worker("-n", "first@%h")
    running.until(lambda: len(running.pipeline.processes.workers()) > 1, "both")
    post(10)
    receiver.kill()
    receiver.restart()
    post(10)
    running.valkey.restart()
    post(20)
    running.until(lambda: applied() > 0, "somebody is at it")
    worker.kill()
    post(10)
    # As its supervisor does.
    running.processes.worker("-n", "second@%h")

    running.until(lambda: applied() == len(promised), "every event is applied")
    running.until(lambda: not running.missing(), "everybody is in Mailjet")
    assert promised <= running.addresses()
    assert running.pipeline.inbox.counts() == Counts(waiting=0, due=0, failed=0)


def test_a_broker_that_is_down_delays_what_was_answered_200() -> None:
    bind = settings(f"127.0.0.1:{free_port()}")
    with Valkey() as broker, Valkey() as state, Sandbox("--contacts", "1") as sandbox:
        env = {**sandbox.env, "REDIS_URL": broker.url, "SYNC_REDIS_URL": state.url}
        pipeline = build(from_env({**env, **bind}))
        contact = sandbox.contacts()[0]["id"]
        body = json.dumps({"contact_id": contact}).encode()
        broker.kill()
        with (
            closing(pipeline.redis),
            Processes({**env, **bind}) as processes,
            started(processes) as receiver,
        ):
            assert processes.command("setup").returncode == 0
            answers = [receiver.workflow("contact", body) for _ in range(30)]
            waited = pipeline.inbox.waiting()
            broker.start()
            processes.worker()
            # The receiver gave up ringing, or rang just when the broker came back.
            processes.beat()
            until(lambda: not pipeline.inbox.waiting(), "applied", GOOD_NIGHT)
            handled = pipeline.inbox.handled()

    assert (answers, waited) == ([200] * 30, 30)
    assert handled == {"workflow:applied": 30}


def test_without_a_receivers_ring_beats_tick_has_it_handled(
    whole: tuple[Installation, Receiver],
) -> None:
    running, receiver = whole
    email, body = newcomer(running)
    # Somebody has rung, and was not heard.
    running.pipeline.redis.set("gm:inbox-rung", 1)

    assert receiver.ghl(body) == 200

    running.until(lambda: email not in running.missing(), "in Mailjet")
    assert not running.pipeline.redis.exists("gm:inbox-rung")


def test_the_command_shows_what_failed_and_tries_it_again(
    receiver: Receiver, pipeline: Pipeline
) -> None:
    command = receiver.processes.command
    empty = command("inbox")
    receiver.mailjet(mailjet_body(1))
    receiver.mailjet(mailjet_body(2))
    (claimed,) = pipeline.inbox.claim(1, 60)
    pipeline.inbox.fail(claimed, "NotFound: mailjet: 404", for_good=True)

    shown = command("inbox")
    told = json.loads(command("inbox", "--json").stdout)
    unknown = command("inbox", "--replay", "0123456789")
    one = command("inbox", "--replay", claimed.id)
    everything = command("inbox", "--replay", "all")

    assert empty.stdout.splitlines() == [
        "Waiting: 0, due now: 0.",
        "No entry failed.",
    ]
    assert claimed.id in shown.stdout
    assert "Waiting: 1, due now: 1." in shown.stdout
    assert [(f["id"], f["reason"]) for f in told["failed"]] == [
        (claimed.id, "NotFound: mailjet: 404")
    ]
    assert (told["waiting"], told["due"], told["handled"]) == (1, 1, {})
    assert "person1@example.com" not in shown.stdout + json.dumps(told)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert (one.returncode, one.stdout) == (0, "Wait again: 1 of 1.\n")
    assert (everything.returncode, everything.stdout) == (0, "Wait again: 0 of 0.\n")
    assert pipeline.inbox.counts() == Counts(waiting=2, due=2, failed=0)
