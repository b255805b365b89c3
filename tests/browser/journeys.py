"""What an operator does on the status page, in a browser: `make test-browser`.

Not collected by `make test`, which needs no browser. Chromium is Debian's; where there
is none, each journey is skipped and says so. `SCREENSHOTS=folder` keeps pictures.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.store.call_history import Sample, note
from tests.sandbox import Row
from tests.system.installation import GOOD_NIGHT, Installation, installation
from tests.system.receiving import Receiver, ghl_body, started
from tests.system.receiving import settings as receiver_settings
from tests.valkey import free_port

playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright")
Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LOGIN = {"username": "ana", "password": "a long enough one"}
PEOPLE = 40
MOST_MS = GOOD_NIGHT * 1000
WIDE, NARROW = {"width": 1200, "height": 900}, {"width": 390, "height": 844}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@dataclass
class Desk:
    """An installation that works, and a browser that looks at it.

    Args:
        page: logged in, at the connection's page.
    """

    running: Installation
    receiver: Receiver
    page: "playwright.Page"

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def sees(self, text: str) -> None:
        """Waits until the page says so, by itself."""
        found = self.page.get_by_text(text).first
        playwright.expect(found).to_be_visible(timeout=MOST_MS)

    def change(self) -> Row:
        """Somebody changes a contact in GHL, whose webhook tells of it."""
        contact = self.running.sandbox.contacts()[0]
        changed = self.running.sandbox.put_contact(id=contact["id"], city="Faro")
        place = self.running.kit.connection.ghl_location_id
        assert self.receiver.ghl(ghl_body(id=contact["id"], locationId=place)) == 200
        return changed


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Installation, Receiver]]:
    """Worker, Beat and receiver, after the first run and two hours of calls."""
    bind = receiver_settings(f"127.0.0.1:{free_port()}")
    login = {"STATUS_PAGE_AUTH": ":".join(LOGIN.values())}
    flower = {"FLOWER_URL": "http://127.0.0.1:5555"}
    rates = {"GHL_RATE": "100/10", "MAILJET_RATE": "100/10"}
    people = ("--contacts", str(PEOPLE))
    with (
        installation(*people, **bind, **login, **flower, **rates) as running,
        started(running.processes) as receiver,
    ):
        running.start()
        running.until(running.has_finished, "the first run has finished")
        now_ms, used = running.pipeline.processes.now_ms(), 0
        for minute in range(120, 0, -1):
            used += 120 + 420 * (25 < minute < 60) - 5 * (minute % 7)
            sample = Sample(now_ms - minute * 60_000, used, used // 2)
            note(running.pipeline.redis, "default", sample)
        yield running, receiver


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as started_:
        # As root, as CI is, Chromium has no sandbox; it sees nothing but our own page.
        browser = started_.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture
def desk(
    running: tuple[Installation, Receiver], browser: "playwright.Browser"
) -> Iterator[Desk]:
    installed, receiver = running
    context = browser.new_context(http_credentials=LOGIN, viewport=WIDE)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(receiver.url)
    page.get_by_role("rowheader").get_by_role("link", name="default").click()
    yield Desk(installed, receiver, page)
    context.close()
    assert wrong == []


def test_start_a_resync_and_watch_it_finish(desk: Desk) -> None:
    sandbox, before = desk.running.sandbox, desk.running.last_run()
    for contact in sandbox.contacts()[1:]:
        sandbox.put_contact(id=contact["id"], city="Braga")
    desk.press("Start a full resync")
    desk.sees("A full resync has started.")
    desk.running.until(lambda: desk.running.settled() > PEOPLE / 3, "some are done")
    picture(desk, "run")
    desk.page.evaluate("window.neverLoadedAnew = true")
    after = desk.running.next_run(before)

    desk.sees(f"{PEOPLE} of {PEOPLE} contacts")
    playwright.expect(desk.page.locator("#live")).to_contain_text(after.id)
    assert desk.page.evaluate("window.neverLoadedAnew")
    announced = desk.page.locator("#news")
    playwright.expect(announced).to_have_text(
        f"Run {after.id} finished; connection works", timeout=MOST_MS
    )


def test_find_out_why_a_contact_failed_and_replay_it(desk: Desk) -> None:
    fault = desk.running.sandbox.add_fault(
        "refused", contact=desk.running.sandbox.contacts()[0]["id"]
    )
    contact = desk.change()
    desk.running.until(desk.running.letters, "it is a dead letter")
    picture(desk, "connection")
    desk.page.get_by_label("Contact id").fill(contact["id"])
    desk.press("Find")

    desk.sees("It is a dead letter since")
    desk.sees("dead letter: ")
    picture(desk, "contact")
    desk.running.sandbox.remove_fault(fault)
    desk.press("Replay")
    desk.sees("Dead letters that wait again: 1")
    desk.running.until(desk.running.has_finished, "it is synced")
    desk.page.reload()
    desk.sees("It is synced, and nothing waits.")
    desk.sees("found by an operator's replay")


def test_pause_a_connection(desk: Desk) -> None:
    desk.press("Pause the connection")
    desk.sees("The connection is paused; consent goes on.")
    contact = desk.change()
    backlog = desk.running.kit.ledger.backlog
    desk.running.until(lambda: backlog().live, "the change waits")
    desk.running.let_beat_tick()
    waiting = backlog().live
    desk.page.goto(f"{desk.receiver.url}/connections/default/contacts/{contact['id']}")
    desk.sees("an operator paused the connection")
    desk.page.go_back()
    desk.press("Resume the connection")

    desk.sees("The connection goes on.")
    assert waiting == 1
    desk.running.until(desk.running.has_finished, "the change is synced")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_nothing_is_in_the_way_of_anybody(
    desk: Desk, scheme: str, viewport: dict[str, int]
) -> None:
    contact = desk.running.sandbox.contacts()[0]["id"]
    desk.page.emulate_media(color_scheme=scheme)
    desk.page.set_viewport_size(viewport)
    found = {}
    for path in ("", "connections/default", f"connections/default/contacts/{contact}"):
        desk.page.goto(f"{desk.receiver.url}/{path}")
        broken = Axe().run(desk.page).response["violations"]
        found[path] = [(rule["id"], rule["nodes"][0]["html"]) for rule in broken]
        width = desk.page.evaluate("document.documentElement.scrollWidth")
        assert width <= viewport["width"]

    assert set(map(tuple, found.values())) == {()}, found


def test_everything_is_reached_by_the_keyboard(desk: Desk) -> None:
    reached = []
    for _ in range(8):
        desk.page.keyboard.press("Tab")
        focused = desk.page.locator(":focus")
        reached.append(focused.inner_text() or focused.get_attribute("name"))

    assert reached[0] == "Skip to the content"
    assert {"Start a full resync", "Pause the connection", "contact"} <= set(reached)


def test_what_moves_leaves_the_keyboard_where_it_is(desk: Desk) -> None:
    link = desk.page.get_by_role("link", name="dead letters")
    link.focus()
    shown = desk.page.get_by_text("as of").first
    before = shown.inner_text()

    playwright.expect(shown).not_to_have_text(before)

    playwright.expect(link).to_be_focused()


def test_it_works_without_javascript(
    running: tuple[Installation, Receiver], browser: "playwright.Browser"
) -> None:
    installed, receiver = running
    context = browser.new_context(http_credentials=LOGIN, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{receiver.url}/connections/default")
    before = installed.last_run()
    page.get_by_role("button", name="Start a full resync").click()
    playwright.expect(page.get_by_role("status").first).to_have_text(
        "A full resync has started."
    )
    after = installed.next_run(before)
    page.reload()

    assert page.get_by_text(after.id).first.is_visible()
    context.close()


def picture(desk: Desk, name: str) -> None:
    """Keep what the page looks like, where somebody asked for it."""
    folder = os.environ.get("SCREENSHOTS")
    if not folder:
        return
    desk.page.reload()
    for scheme in ("light", "dark"):
        desk.page.emulate_media(color_scheme=scheme)
        desk.page.screenshot(path=Path(folder, f"{name}-{scheme}.png"))
    desk.page.set_viewport_size(NARROW)
    desk.page.emulate_media(color_scheme="light")
    desk.page.screenshot(path=Path(folder, f"{name}-narrow.png"))
    desk.page.set_viewport_size(WIDE)
