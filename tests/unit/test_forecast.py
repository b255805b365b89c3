"""The arithmetic of `ghl-mailjet resync --forecast`."""

from dataclasses import replace

import pytest

from pipeline.forecast import Budget, forecast
from pipeline.past_runs import Past, past_of
from pipeline.run_cost import calls_of
from pipeline.run_facts import Facts, Ways
from pipeline.store.records import Run
from pipeline.sync.case import Outcome

MANAGE = "POST /v3/REST/contactslist/:listId/managecontact"
READ = "GET /v3/REST/contact/:contact"
DATA = "GET /v3/REST/contactdata/:contactId"
LISTS = "GET /v3/REST/contact/:contactId/getcontactslists"
MANAGE_LISTS = "POST /v3/REST/contact/:contactId/managecontactslists"
EDIT = "PUT /v3/REST/contactdata/:contactId"
SINGLE = "GET /contacts/:contactId"
SEARCH = "POST /contacts/search"
NOTES = f"{SINGLE}/notes"
PEOPLE = 10_000
ALL_WAYS, NOTHING = Ways(), Past()
FIRST = Facts(PEOPLE, calendars=3, with_notes=PEOPLE)
KNOWN = Facts(
    PEOPLE, remembered=PEOPLE, in_mailjet=PEOPLE, calendars=3, with_notes=PEOPLE
)


def totals(facts: Facts) -> dict[str, int]:
    calls = calls_of(facts, ALL_WAYS, NOTHING)
    return {vendor: sum(routes.values()) for vendor, routes in calls.items()}


def calls(facts: Facts, ways: Ways = ALL_WAYS, past: Past = NOTHING) -> dict[str, int]:
    found = calls_of(facts, ways, past)
    return {**found["ghl"], **found["mailjet"]}


def run(state: str = "finished", kind: str = "full", **outcomes: int) -> Run:
    named = {Outcome[name.upper()].value: count for name, count in outcomes.items()}
    settled = sum(outcomes.values())
    return Run("run", kind, state, settled, settled, 0, 0, 0, named)


# Calls


def test_a_first_import_costs_a_call_to_each_vendor_for_each_contact() -> None:
    found = calls(FIRST)

    assert (found[MANAGE], found[NOTES]) == (PEOPLE, PEOPLE)
    assert READ not in found
    assert found["GET /contacts/"] == 101
    assert found[SEARCH] == 22
    assert found["GET /calendars/events"] == 3


def test_where_nothing_changed_a_run_costs_pages_alone() -> None:
    found = totals(KNOWN)

    assert found["ghl"] < 0.02 * PEOPLE
    assert found["mailjet"] == 23


def test_whoever_changed_is_read_before_the_update() -> None:
    found = calls(Facts(PEOPLE, remembered=PEOPLE, changed=100, with_notes=PEOPLE))

    assert (found[MANAGE], found[READ], found[NOTES]) == (100, 100, 100)


def test_runs_before_and_what_ghl_shows_tell_of_the_same_changes() -> None:
    facts = Facts(PEOPLE, remembered=PEOPLE, changed=100)

    assert calls(facts, past=Past(1, changed=0.05))[MANAGE] == 500
    assert calls(facts, past=Past(1, changed=0.001))[MANAGE] == 100


def test_nobody_is_written_without_an_address_of_their_own() -> None:
    found = calls(
        Facts(PEOPLE, unmailable=1000, with_notes=PEOPLE), past=Past(1, shared=0.5)
    )

    assert found[MANAGE] == 4500


def test_a_no_costs_more_and_most_where_mailjet_alone_has_it() -> None:
    in_ghl = Facts(PEOPLE, ghl_optouts=100)
    in_mailjet = Facts(PEOPLE, unsubscriptions=100, in_mailjet=100)

    plain, ghl, mailjet = totals(Facts(PEOPLE)), totals(in_ghl), totals(in_mailjet)

    assert ghl["mailjet"] - plain["mailjet"] == 200
    assert ghl["ghl"] == plain["ghl"]
    assert mailjet["mailjet"] - plain["mailjet"] == 400
    assert mailjet["ghl"] - plain["ghl"] == 300


def test_noes_of_people_whom_both_sides_have_are_not_counted_twice() -> None:
    said = {"ghl_optouts": 100, "unsubscriptions": 100, "excluded": 100}

    found = calls(Facts(PEOPLE, in_mailjet=PEOPLE, **said))

    assert found[READ] == 100
    assert SINGLE not in found


@pytest.mark.parametrize(
    ("ways", "route"),
    [
        (Ways(sweeps_tasks=False), f"{SINGLE}/tasks"),
        (Ways(sweeps_appointments=False), f"{SINGLE}/appointments"),
        (Ways(searches=False), SINGLE),
        (Ways(optout_filter=False), SINGLE),
        (Ways(details_always=True), SINGLE),
    ],
)
def test_what_is_not_to_be_had_in_pages_is_read_of_each_contact(
    ways: Ways, route: str
) -> None:
    assert route not in calls(KNOWN)

    assert calls(KNOWN, ways)[route] == PEOPLE


def test_another_mapping_tells_everybody_anew() -> None:
    found = calls(Facts(PEOPLE, remembered=PEOPLE, remapped=PEOPLE))

    assert {found[MANAGE], found[NOTES], found[f"{SINGLE}/tasks"]} == {PEOPLE}


def test_a_backfill_costs_a_call_for_each_entry() -> None:
    facts = Facts(PEOPLE, remembered=PEOPLE, untold=25_000)

    assert calls(facts)["POST /v3/REST/contacthistorydata"] == 25_000


@pytest.mark.parametrize(
    ("deletions", "routes"),
    [
        ("keep", set()),
        ("unsubscribe", {READ, MANAGE, SEARCH}),
        ("remove-from-lists", {READ, SEARCH, EDIT, LISTS, MANAGE_LISTS}),
        ("erase", {READ, SEARCH, DATA, LISTS, "DELETE /v4/contacts/:contactId"}),
    ],
)
def test_whoever_is_missing_costs_what_the_policy_does(
    deletions: str, routes: set[str]
) -> None:
    facts = replace(KNOWN, remembered=PEOPLE + 500)
    nobody, found = calls(KNOWN), calls(facts, Ways(deletions=deletions))

    dearer = {r for r, count in found.items() if count - nobody.get(r, 0) == 500}

    assert dearer == {SINGLE, *routes}


def test_to_look_for_newcomers_costs_pages() -> None:
    page = "GET /v3/REST/contact"

    found = calls(KNOWN, Ways(newcomers=True))

    assert found == {**calls(KNOWN), page: 2 * calls(KNOWN)[page]}


def test_whoever_is_missing_is_asked_for_singly() -> None:
    assert calls(Facts(90, remembered=100))[SINGLE] == 10


def test_of_nobody_it_costs_the_first_pages() -> None:
    found = calls_of(Facts(0), Ways(), Past())

    assert {number for routes in found.values() for number in routes.values()} <= {1, 2}


# The runs before


def test_an_import_tells_nothing_of_changes_and_all_of_who_cannot_be_mailed() -> None:
    past = past_of([run(created=90, no_email=6, invalid_email=1, shared=3)])

    assert past == Past(runs=1, changed=0.0, shared=0.03, unmailable=0.07)


def test_one_run_in_which_everybody_changed_tells_nothing_of_the_next() -> None:
    runs = [
        run(unchanged=98, updated=2),
        run(updated=100),
        run(unchanged=99, updated=1),
    ]

    assert past_of(runs).changed == pytest.approx(0.02)


def test_three_finished_full_runs_are_looked_at() -> None:
    ended = [
        run("cancelled", updated=100),
        run(kind="business", updated=100),
        *[run(unchanged=100)] * 3,
        run(updated=100),
    ]

    assert past_of(ended) == Past(runs=3)
    assert past_of([]) == Past()


# Time


def budget(**changes: object) -> Budget:
    plain: dict[str, object] = {
        "configured": {"ghl": 10.0, "mailjet": 10.0},
        "now": {"ghl": 9.7, "mailjet": 9.7},
        "ghl_daily": 200_000,
        "ghl_left": 150_000,
        "bulk_hours": (22, 2),
    }
    return Budget(**{**plain, **changes})  # type: ignore[arg-type]


def of(ghl: int, mailjet: int, **changes: object):  # type: ignore[no-untyped-def]
    return forecast({"ghl": {"a": ghl}, "mailjet": {"b": mailjet}}, budget(**changes))


def test_the_vendor_that_takes_longer_counts() -> None:
    found = of(36_000, 72_000)

    assert found.hours == pytest.approx(2.06)
    assert found.hours_now == pytest.approx(2.06, rel=0.01)
    assert found.day_share == pytest.approx(0.18)
    assert found.left_share == pytest.approx(0.24)
    assert (found.nights, found.fits_the_day) == (1, True)


def test_a_vendor_that_allows_less_now_makes_it_longer() -> None:
    found = of(36_000, 36_000, now={"ghl": 2.0, "mailjet": 9.7})

    assert found.hours == pytest.approx(1.03)
    assert found.hours_now == pytest.approx(5.0)
    assert found.nights == 2


@pytest.mark.parametrize("left", [0, 35_999])
def test_more_than_is_left_of_the_day_does_not_fit(left: int) -> None:
    assert not of(36_000, 0, ghl_left=left).fits_the_day


def test_more_than_ghl_allows_a_day_takes_more_nights() -> None:
    fast = {"ghl": 1000.0, "mailjet": 1000.0}

    assert of(450_000, 0, configured=fast, now=fast).nights == 3


@pytest.mark.parametrize(
    ("hours", "length"), [((22, 2), 4), ((1, 5), 4), ((0, 24), 24), ((24, 3), 3)]
)
def test_a_night_is_as_long_as_its_hours(hours: tuple[int, int], length: int) -> None:
    assert budget(bulk_hours=hours).night_hours == length
