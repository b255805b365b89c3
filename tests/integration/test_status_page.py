"""The status page: who gets in, what its buttons do, what it never shows."""

import html
import json
import re
from base64 import b64encode
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from pipeline import overview
from pipeline.bootstrap import build
from pipeline.config import from_env
from pipeline.errors import ConfigError
from pipeline.permit import Lane
from pipeline.store.call_history import Sample, note, per_minute
from pipeline.store.processes import Worker
from tests.builders import ENVIRON, TABLE, make_environ
from tests.driver import Driver
from tests.valkey import Valkey, free_port
from workers.status_page import views
from workers.status_page.access import Access, from_environment
from workers.status_page.chart import HEIGHT, WIDTH, chart
from workers.status_page.routes import status_page

ACCESS = Access("ana", "a long enough one")
PAGES = ("/", "/connections/default", "/connections/default/live")
CONTACT = "/connections/default/contacts/c1"
FLOWER = "http://127.0.0.1:5555"
BUTTONS = ("resync", "pause", "resume", "replay", "find")
FAR_SECONDS = 4_000_000_000
OURS = {"id", "locationId", "dateAdded", "dateUpdated", "type"}
"""Fields of a contact that name no person."""
LETTER = {
    "cause": "Rejected",
    "reason": "mailjet: <b>no</b>",
    "lane": "live",
    "attempts": 6,
    "at_ms": 1,
}


def login(password: str = ACCESS.password) -> dict[str, str]:
    told = b64encode(f"{ACCESS.user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {told}"}


def client_of(pipeline, flower_url: str = "") -> FlaskClient:
    flask = Flask("receiver", static_folder=None)
    flask.register_blueprint(status_page(pipeline, ACCESS, flower_url))
    return flask.test_client()


@pytest.fixture
def client(driver: Driver) -> FlaskClient:
    return client_of(driver.pipeline, f"{FLOWER}/")


def get(client: FlaskClient, path: str) -> TestResponse:
    return client.get(path, headers=login())


def press(client: FlaskClient, button: str, **fields: str) -> TestResponse:
    """As a browser does that was on the page."""
    token = re.search(r'name="token" value="([^"]+)"', get(client, PAGES[1]).text)
    assert token is not None
    path = f"/connections/default/{button}"
    headers = {**login(), "Sec-Fetch-Site": "same-origin"}
    return client.post(path, data={"token": token[1], **fields}, headers=headers)


def bury(driver: Driver, *ids: str, **fields: object) -> None:
    for id_ in ids:
        letter = {**LETTER, **fields}
        driver.ledger.bury(driver.take(id_), json.dumps(letter), str(letter["cause"]))


# Who gets in


@pytest.mark.parametrize("path", [*PAGES, CONTACT, "/static/status.css"])
def test_every_page_asks_for_the_login(client: FlaskClient, path: str) -> None:
    answers = [client.get(path), client.get(path, headers=login("a guess"))]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].headers["WWW-Authenticate"].startswith("Basic ")
    with get(client, path) as answer:
        assert answer.status_code == 200


@pytest.mark.parametrize("path", [*PAGES, CONTACT, "/connections/nobody"])
def test_every_answer_has_the_headers_and_nothing_inline(
    client: FlaskClient, driver: Driver, path: str
) -> None:
    bury(driver, "c1")
    answer = get(client, path)

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert re.findall(r"\sstyle=|\son\w+=|<style|<script(?! src)", answer.text) == []
    led_to = set(re.findall(r'(?:src|href|action)="([^"]*)"', answer.text))
    elsewhere = {url for url in led_to if not url.startswith(("/", "#"))}
    assert all(url.startswith(FLOWER) for url in elsewhere)


@pytest.mark.parametrize("button", BUTTONS)
def test_no_button_is_pressed_from_elsewhere(
    client: FlaskClient, driver: Driver, button: str
) -> None:
    bury(driver, "c1")
    path, before = f"/connections/default/{button}", driver.ledger.run()
    elsewhere = {**login(), "Sec-Fetch-Site": "cross-site"}
    other = Access("ana", "another password").token()
    answers = [
        client.post(path, headers=login()),
        client.post(path, data={"token": other}, headers=login()),
        client.post(path, data={"token": ACCESS.token()}, headers=elsewhere),
        client.post(path, data={"token": ACCESS.token()}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403, 401]
    assert driver.ledger.run() == before
    assert driver.kit.operator_pause.since_ms() is None
    assert len(driver.letters()) == 1
    assert get(client, path).status_code == 405


def test_a_form_that_was_open_for_a_day_is_refused(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("time.time", lambda: 1.0)
        old = ACCESS.token()

    answer = client.post(
        "/connections/default/pause", data={"token": old}, headers=login()
    )

    assert answer.status_code == 403
    assert "load the page anew" in answer.text


def test_a_password_is_made_up_for_each_start_or_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = from_environment({}), from_environment({"STATUS_PAGE_AUTH": ""})
    told = from_environment({"STATUS_PAGE_AUTH": "ana:with:a colon"})
    printed = capsys.readouterr().err

    assert first.password != second.password
    assert f"user operator, password {first.password} for this start" in printed
    assert (told.user, told.password) == ("ana", "with:a colon")
    assert "a colon" not in printed + repr(told)


@pytest.mark.parametrize("wrong", ["ana", "ana:short", ":without a user"])
def test_a_password_that_anybody_guesses_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError) as refused:
        from_environment({"STATUS_PAGE_AUTH": wrong})

    assert wrong not in str(refused.value)


# What its buttons do


def test_a_resync_is_started_once_and_joined_after(
    client: FlaskClient, driver: Driver
) -> None:
    first, second = press(client, "resync"), press(client, "resync")
    run = driver.last_run()

    assert (first.status_code, second.status_code) == (303, 303)
    assert "A full resync has started." in get(client, first.location).text
    assert "is under way already" in get(client, second.location).text
    page = get(client, PAGES[1]).text
    assert run.id in page
    assert "listing" in page


def test_a_connection_that_is_not_set_up_starts_nothing(build_driver) -> None:
    driver = build_driver()
    client = client_of(driver.pipeline)

    answer = press(client, "resync")

    assert "No resync: set the connection up" in get(client, answer.location).text
    assert "not set up" in get(client, "/").text
    assert driver.ledger.run() is None


def test_a_pause_is_seen_and_ended(client: FlaskClient, driver: Driver) -> None:
    press(client, "pause")
    paused = [get(client, path).text for path in PAGES]
    press(client, "resume")

    assert all("paused by an operator" in text for text in paused)
    assert driver.kit.operator_pause.since_ms() is None
    assert "paused by an operator" not in get(client, PAGES[1]).text


def test_dead_letters_are_filtered_and_replayed_as_they_are_shown(
    client: FlaskClient, driver: Driver
) -> None:
    now_ms = driver.pipeline.processes.now_ms()
    bury(driver, "c1", "c2")
    bury(driver, "c3", cause="BadPayload")
    bury(driver, "c4", at_ms=now_ms)
    filtered = get(client, f"{PAGES[1]}?cause=Rejected&age=1h").text
    answers = [
        press(client, "replay", cause="Rejected", age="1h"),
        press(client, "replay", cause="Rejected", age="1h"),
        press(client, "replay", contact="c3"),
    ]

    assert re.findall(r"contacts/(c\d)", filtered) == ["c1", "c2"]
    assert "Replay all 2 of these" in filtered
    assert "mailjet: &lt;b&gt;no&lt;/b&gt;" in filtered
    said = [get(client, answer.location).text for answer in answers]
    assert ["wait again: 2" in said[0], "wait again: 0" in said[1]] == [True, True]
    assert answers[2].location.startswith("/connections/default/contacts/c3")
    assert [letter.ghl_id for letter in driver.letters()] == ["c4"]
    assert driver.waiting(Lane.LIVE) == {"c1", "c2", "c3"}


def test_a_contact_is_found_by_its_id(client: FlaskClient, driver: Driver) -> None:
    ana = driver.person()
    driver.sync(ana["id"])
    found = press(client, "find", contact=f" {ana['id']} ")
    page = get(client, found.location).text

    assert found.location == f"/connections/default/contacts/{ana['id']}"
    assert "It is synced, and nothing waits." in page
    assert "managecontact: 201" in page
    flower = f"{FLOWER}/tasks?name=contact.sync%20{ana['id']}"
    assert f'href="{flower}"' in page


def test_drift_is_shown_as_the_last_report_found_it(
    client: FlaskClient, driver: Driver
) -> None:
    before = get(client, PAGES[1]).text
    report = {"at_ms": 1_795_449_600_000, "mailable": 3, "unblocked": 0}
    driver.kit.setup.save_drift(json.dumps(report))
    after = get(client, PAGES[1]).text

    assert "Not compared yet" in before
    assert "Compared at 2026-11-23 16:00:00 UTC" in after
    assert 'class="badge bad">3 opted out in GHL and mailable' in after
    assert 'class="badge good">0 out in Mailjet' in after


def test_alerts_are_shown_with_where_to_read_on(
    client: FlaskClient, driver: Driver
) -> None:
    processes = driver.pipeline.processes
    processes.ticked()
    worker = Worker("b0071", 16, "one").dump()
    # Alive for longer than the slowest machine takes for a test.
    driver.pipeline.redis.zadd("gm:workers", {worker: FAR_SECONDS})
    well = [get(client, path).text for path in PAGES]
    report = {"at_ms": processes.now_ms(), "mailable": 2, "unblocked": 0}
    driver.kit.setup.save_drift(json.dumps(report))
    wrong = [get(client, path).text for path in PAGES]
    driver.pipeline.redis.delete("gm:workers")

    assert ["no alerts" in page for page in well] == [True] * len(PAGES)
    for page in wrong:
        assert "<strong>default: 2 contacts differ in consent</strong>" in page
        assert "Somebody who opted out in GHL can be mailed in Mailjet" in page


@pytest.mark.usefixtures("redis")
def test_a_connection_is_read_without_the_others(
    valkey: Valkey, tmp_path: Path
) -> None:
    """On a page of 200 connections each was read 200 times."""
    file = tmp_path / "connections.toml"

    def commands(connections: int) -> int:
        """How many one of them costs."""
        tables = (TABLE.format(name=f"c{number}") for number in range(connections))
        file.write_text("".join(tables), "utf-8")
        env = make_environ(REDIS_URL=valkey.url, SYNC_CONNECTIONS_FILE=str(file))
        pipeline = build(from_env(env))
        redis, kit = pipeline.redis, pipeline.kit("c0")
        views.card(pipeline, kit)
        before = redis.info("stats")["total_commands_processed"]
        views.card(pipeline, kit)
        after = redis.info("stats")["total_commands_processed"]
        redis.close()
        return int(after - before)

    assert commands(10) == commands(1)


# What it never shows


@pytest.mark.parametrize(
    "typed", ["ana@example.com", "", "../../", "<b>", "c1 or 1", "x" * 65]
)
def test_what_is_no_id_is_neither_looked_up_nor_repeated(
    client: FlaskClient, typed: str
) -> None:
    answer = press(client, "find", contact=typed)

    assert answer.location == "/connections/default?said=no-id"
    page = get(client, answer.location).text
    assert "That is no contact id." in page
    assert "example.com" not in page


@pytest.mark.parametrize(
    "path",
    [
        "/connections/nobody",
        "/connections/default/contacts/ana@example.com",
        "/connections/default/contacts/%3Cscript%3E",
    ],
)
def test_an_address_that_leads_nowhere_is_not_repeated(
    client: FlaskClient, path: str
) -> None:
    answer = get(client, path)

    assert answer.status_code == 404
    assert "example" not in answer.text
    assert "nobody" not in answer.text
    assert "script&gt;" not in answer.text


def test_only_our_own_words_are_said(client: FlaskClient) -> None:
    page = get(client, f"{PAGES[1]}?said=owned&count=<b>1&cause=<i>&age=<u>").text

    assert "owned" not in page
    assert "<b>1" not in page
    assert "<i>" not in html.unescape(page)


def test_nobodys_name_address_or_value_is_on_a_page(
    client: FlaskClient, driver: Driver
) -> None:
    people = [driver.person(), driver.person()]
    driver.full_run()
    driver.sandbox.add_fault("refused", contact=people[0]["id"])
    driver.sandbox.put_contact(id=people[0]["id"], city="Faro")
    driver.sync(people[0]["id"])
    contacts = [f"/connections/default/contacts/{one['id']}" for one in people]
    text = "".join(get(client, path).text for path in (*PAGES, *contacts))

    assert people[0]["id"] in text
    values = {
        value
        for one in people
        for name, value in one.items()
        if isinstance(value, str) and len(value) > 2 and name not in OURS
    }
    assert len(values) > 6
    assert [value for value in values if value in text] == []
    assert "@" not in text


def test_without_redis_a_page_says_so() -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    pipeline = build(from_env({**ENVIRON, "REDIS_URL": url}), redis_retries=0)
    answer = get(client_of(pipeline), "/")

    assert answer.status_code == 503
    assert "Redis is away" in answer.text
    assert url not in answer.text


# The chart


def test_calls_are_drawn_against_the_allowance(
    client: FlaskClient, driver: Driver
) -> None:
    empty = get(client, PAGES[2]).text
    for minute, used in enumerate((10, 40, 70)):
        at_ms = 60_000 * minute
        note(driver.pipeline.redis, "default", Sample(at_ms, used, 0))
    drawn = get(client, PAGES[2]).text

    assert "<svg" not in empty
    assert "Shown from the third minute" in empty
    assert "30 at the end, 30 at most, of 600000." in drawn


def test_a_new_day_and_a_time_without_beat_are_drawn_as_they_were() -> None:
    samples = [Sample(0, 900, 0), Sample(120_000, 960, 6), Sample(180_000, 20, 6)]
    calls = per_minute([*samples, samples[-1]])

    assert [(each.ghl, each.mailjet) for each in calls] == [(30, 3), (20, 0)]
    drawn = chart(calls, 60, 60)
    assert drawn is not None
    assert drawn.lines[0].points == f"0.0,{HEIGHT / 2} {WIDTH}.0,{HEIGHT * 2 / 3:.1f}"


def test_what_was_called_by_now_is_noted(driver: Driver) -> None:
    driver.sync(driver.person()["id"])
    overview.note_calls(driver.pipeline)
    used = driver.kit.mailjet_bucket.state().used_today

    (noted,) = driver.pipeline.redis.lrange("gm:default:calls", 0, -1)

    assert used > 0
    assert int(noted.split()[2]) == used


def test_the_history_of_calls_is_bounded(redis) -> None:
    for minute in range(300):
        note(redis, "default", Sample(minute, minute, minute))

    assert redis.llen("gm:default:calls") == 181
