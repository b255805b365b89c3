"""What the benchmark makes of a log of calls, on logs whose figures are known."""

from dataclasses import replace

from pipeline.sandbox.limits import Rate
from pipeline.store.records import Run
from tests.bench import lanes
from tests.bench.arrivals import Arrivals, spacing_seconds
from tests.bench.cell import Cell
from tests.bench.editing import CONSENT, LIVE, Edit
from tests.bench.utilisation import HEAD, Figures
from tests.sandbox import Row

RATE = Rate(100, 10.0)
RUN = Run("run", "full", "listing", 3, 0, 0, 0, 0, {})


def called(at: float, vendor: str = "mailjet", contact: object = None) -> Row:
    place = {"method": "GET", "route": "/", "vendor": vendor}
    return {**place, "arrival": at, "status": 200, "contact": contact}


def test_what_was_lost_is_told_with_its_place() -> None:
    spacing = spacing_seconds(RATE)
    moments = [100 + i * spacing + (i >= 100) * 0.5 + (i >= 299) for i in range(300)]

    told = Arrivals("mailjet", [called(at) for at in moments]).losses(RATE)

    assert "first 5 s +0.00 s, middle +0.50 s, last 5 s +1.00 s" in told
    largest = " ".join(told.splitlines()[1].split())
    assert largest == "32.28 s after 1.10 s, before GET /"


def test_a_window_is_half_open() -> None:
    arrivals = Arrivals("mailjet", [called(at) for at in (0.0, 4.0, 10.0, 13.9)])

    assert arrivals.sliding(10.0) == [1, 2, 2, 3]
    assert arrivals.busiest(10.0) == 3


def row_of(cell: Cell, seconds: float, *, status: int = 200) -> dict[str, str]:
    log = [called(seconds * i / 1999) for i in range(2000)]
    log += [{**called(i / 10, "ghl"), "status": status} for i in range(1000)]
    row = Figures(cell, Arrivals.by_vendor(log)).row()
    return dict(zip(HEAD, row, strict=True))


def test_the_larger_floor_binds() -> None:
    quota = row_of(Cell("sliding", 20, 1, 1), 206.0)
    latency = row_of(Cell("sliding", 80, 1, 1), 270.0)

    assert (quota["bound by"], quota["floor s"], quota[""]) == ("quota", "200.0", "ok")
    assert latency["bound by"] == "latency"
    assert (latency["floor s"], latency["ratio"]) == ("240.0", "1.125")
    assert latency[""] == "ok"


def test_a_slow_cell_and_a_refused_call_miss_the_goal() -> None:
    cell = Cell("sliding", 2, 16, 1)

    assert row_of(cell, 207.5)[""] == "NO"
    assert row_of(cell, 206.0, status=429)[""] == "NO"


def edited(kind: str, number: int, said: float) -> Edit:
    edit = Edit(kind, {"id": f"contact{number}"}, {"id": number}, due=0.0)
    edit.said, edit.answered, edit.arrived = said, said + 0.5, said + 1.5
    return edit


def test_calls_are_of_the_lane_of_whom_they_are_about() -> None:
    edits = [edited(LIVE, 1, 100.0), edited(CONSENT, 2, 108.5)]
    edits += [edited(LIVE, 3, 103.0), edited(CONSENT, 4, 104.0)]
    log = [called(100 + i / 10, contact=77) for i in range(80)]
    log += [called(101.0, contact=1), called(101.0, "ghl", "contact1")]
    log += [called(109.0, contact=2), called(109.5, contact=1), called(99.0)]
    figures = lanes.Figures(edits, log, RUN)

    told = {row[0]: row[1:] for row in figures.rows()}

    assert told["calls to mailjet: bulk / field / consent"][0] == "81 / 1 / 1"
    assert told["calls to ghl: bulk / field / consent"][0] == "0 / 1 / 0"
    share = f"{81 / (100 - 2):.3f}"
    assert told["field, 2 times: p50 / p95 / max s"][0] == "1.00 / 1.00 / 1.00"
    assert told["bulk's share of what is left"] == (share, ">= 0.8", "ok")


def test_late_edits_miss_the_goal() -> None:
    edits = [edited(LIVE, 1, 100.0), edited(CONSENT, 2, 101.0)]
    edits = [replace(edit, arrived=edit.answered + 2.1) for edit in edits]
    edits += [edited(LIVE, 3, 102.0), edited(CONSENT, 4, 103.0)]

    rows = lanes.Figures(edits, [called(100.0)], RUN).rows()

    assert [row[-1] for row in rows[:2]] == ["NO", "NO"]
