"""Runs and their pages: each page once, each run finished once."""

from pipeline.permit import Lane
from pipeline.store.dead_letters import WORKER_LOST
from pipeline.store.health import Health
from pipeline.store.ledger import MAX_EXPIRIES, Ledger
from pipeline.store.records import Page
from pipeline.sync.contact import Contact
from tests.driver import waiting
from tests.leases import bury, expire, give_back, lease_all, settle, skip
from tests.troubles import DEAD_TOKEN


def start_listing(ledger: Ledger, *ids: str) -> None:
    """A run whose listing found these and ended."""
    ledger.start("run1", "full", {"stage": "listing"})
    page = ledger.claim_page(60)
    assert page is not None
    ledger.commit_page(page, None, ids)


def claim(ledger: Ledger, seconds: float = 60) -> Page:
    page = ledger.claim_page(seconds)
    assert page is not None, "there is no page to fetch"
    return page


# Pages


def test_a_page_commits_ids_rows_and_cursor_in_one_step(ledger, redis):
    ledger.start("run1", "full", {"stage": "listing"})
    rows = [Contact("ana", {"city": "Porto"}, tags=("vip",))]

    committed = ledger.commit_page(claim(ledger), {"after": 1}, ["ana", "bo"], rows)

    assert committed
    assert waiting(ledger, redis, Lane.BULK) == {"ana", "bo"}
    assert ledger.wanted_page() == {"after": 1}
    assert ledger.run().discovered == 2
    assert 0 < redis.ttl(ledger.key("row:ana")) <= 600


def test_a_page_is_committed_once(ledger):
    ledger.start("run1", "full", {"stage": "listing"})
    page = claim(ledger)

    committed = [ledger.commit_page(page, {"after": 1}, ["ana"]) for _ in range(2)]
    stale = ledger.commit_page(page, {"after": 9}, ["bo"])

    assert committed == [True, False]
    assert not stale
    assert ledger.wanted_page() == {"after": 1}
    assert ledger.run().discovered == 1


def test_a_page_of_another_run_is_not_committed(ledger):
    ledger.start("run1", "full", {})
    old = claim(ledger)
    ledger.control("cancel")
    ledger.start("run2", "full", {})

    assert not ledger.commit_page(old, None, ["ana"])
    assert ledger.run().discovered == 0


def test_one_caller_at_a_time_fetches_a_page(ledger):
    ledger.start("run1", "full", {"after": 0})
    claim(ledger)

    assert ledger.claim_page(60) is None
    assert ledger.wanted_page() is None


def test_a_page_whose_fetcher_crashed_is_fetched_again(ledger):
    ledger.start("run1", "full", {"after": 0})
    lapsed = claim(ledger, 0)

    assert claim(ledger) == lapsed


def test_a_released_page_waits_for_its_time(ledger):
    ledger.start("run1", "full", {"after": 0})
    page = claim(ledger)

    ledger.release_page(page, 60)
    before = ledger.claim_page(60)
    ledger.release_page(page, 0)

    assert before is None
    assert claim(ledger) == page


def test_nothing_is_fetched_while_the_connection_is_paused(ledger, redis):
    ledger.start("run1", "full", {"after": 0})

    Health(redis, "default").pause(DEAD_TOKEN)

    assert ledger.wanted_page() is None
    assert ledger.claim_page(60) is None


# Runs


def test_a_run_starts_once(ledger):
    assert ledger.start("run1", "full", {"after": 0}) == "run1"
    assert ledger.start("run1", "full", {"after": 0}) == "run1"
    assert ledger.start("run2", "full", {"after": 0}) == "run1"


def test_starting_a_finished_run_again_does_nothing(ledger):
    start_listing(ledger)

    assert ledger.start("run1", "full", {"after": 0}) == "run1"
    assert ledger.run().state == "finished"
    assert len(ledger.finished_runs()) == 1


def test_a_run_without_contacts_finishes_with_its_listing(ledger):
    start_listing(ledger)

    assert ledger.run().state == "finished"


def test_a_run_finishes_when_the_last_of_its_contacts_ends(ledger, redis):
    start_listing(ledger, "ana", "bo", "cy")
    leases = lease_all(ledger)

    settle(ledger, redis, leases["ana"])
    bury(ledger, redis, leases["bo"])
    before = ledger.run().state
    skip(ledger, redis, leases["cy"])
    run = ledger.run()

    assert before == "draining"
    assert (run.state, run.discovered, run.settled, run.dead) == ("finished", 3, 2, 1)
    assert run.outcomes == {"updated": 1, "not written": 1, "Rejected": 1}
    assert ledger.finished_runs() == [run]


def test_a_finished_run_keeps_counts_and_no_ids(ledger, redis):
    start_listing(ledger, "ana")
    settle(ledger, redis, lease_all(ledger)["ana"])

    assert redis.exists(ledger.key("found"), ledger.key("open")) == 0


def test_a_contact_found_on_two_pages_counts_once(ledger):
    ledger.start("run1", "full", {})
    ledger.commit_page(claim(ledger), {"after": 1}, ["ana", "bo"])
    ledger.commit_page(claim(ledger), None, ["bo", "cy"])

    assert ledger.run().discovered == ledger.backlog().bulk == 3


def test_a_contact_found_after_its_settlement_is_not_synced_again(ledger, redis):
    ledger.start("run1", "full", {})
    ledger.commit_page(claim(ledger), {"after": 1}, ["ana"])
    settle(ledger, redis, lease_all(ledger)["ana"])

    ledger.commit_page(claim(ledger), None, ["ana"])

    run = ledger.run()
    assert (run.state, run.discovered, run.settled) == ("finished", 1, 1)
    assert ledger.backlog().waiting == 0


def test_a_contact_that_comes_back_counts_once_in_its_run(ledger, redis):
    start_listing(ledger, "ana")
    lease = lease_all(ledger)["ana"]
    ledger.mark(Lane.LIVE, ["ana"])
    settle(ledger, redis, lease)
    settle(ledger, redis, lease_all(ledger)["ana"])

    assert ledger.run().settled == 1
    assert len(ledger.finished_runs()) == 1


def test_a_run_waits_for_a_contact_that_was_given_back(ledger, redis):
    start_listing(ledger, "ana")

    give_back(ledger, redis, lease_all(ledger)["ana"])

    assert ledger.run().state == "draining"


def test_a_contact_lost_ten_times_ends_its_run(ledger, redis):
    start_listing(ledger, "ana")
    for _ in range(MAX_EXPIRIES):
        expire(ledger, redis, lease_all(ledger)["ana"])

    assert ledger.run().outcomes == {WORKER_LOST: 1}
    assert ledger.run().state == "finished"


def test_a_paused_run_lists_nothing_and_holds_bulk_work_back(ledger):
    ledger.start("run1", "full", {})
    ledger.commit_page(claim(ledger), {"after": 1}, ["ana"])
    ledger.mark(Lane.LIVE, ["bo"])

    states = [ledger.control("pause") for _ in range(2)]

    assert states == ["paused", "paused"]
    assert ledger.claim_page(60) is None
    assert lease_all(ledger).keys() == {"bo"}


def test_a_resumed_run_goes_on_where_it_was(ledger):
    ledger.start("run1", "full", {})
    ledger.commit_page(claim(ledger), {"after": 1}, ["ana"])
    ledger.control("pause")

    states = [ledger.control("resume") for _ in range(2)]

    assert states == ["listing", "listing"]
    assert ledger.wanted_page() == {"after": 1}
    assert lease_all(ledger).keys() == {"ana"}


def test_a_page_under_way_when_its_run_is_paused_is_kept(ledger):
    ledger.start("run1", "full", {})
    page = claim(ledger)
    ledger.control("pause")

    committed = ledger.commit_page(page, None, ["ana"])
    paused = ledger.run()
    resumed = ledger.control("resume")

    assert committed
    assert (paused.state, paused.discovered) == ("paused", 1)
    assert resumed == "draining"


def test_a_run_whose_work_ended_during_its_pause_finishes_when_resumed(ledger, redis):
    start_listing(ledger, "ana")
    lease = lease_all(ledger)["ana"]
    ledger.control("pause")
    settle(ledger, redis, lease)

    assert ledger.control("resume") == "finished"
    assert len(ledger.finished_runs()) == 1


def test_a_cancelled_run_takes_its_waiting_contacts_with_it(ledger, redis):
    ledger.mark(Lane.BULK, ["other"])
    ledger.start("run1", "full", {})
    ledger.commit_page(claim(ledger), {"after": 1}, ["ana", "bo", "cy"])
    ledger.mark(Lane.LIVE, ["bo"])

    states = [ledger.control("cancel") for _ in range(2)]

    assert states == ["cancelled", "cancelled"]
    assert waiting(ledger, redis, Lane.BULK) == {"other"}
    assert waiting(ledger, redis, Lane.LIVE) == {"bo"}
    assert len(ledger.finished_runs()) == 1


def test_a_lease_that_outlives_its_run_is_settled_and_not_counted(ledger, redis):
    start_listing(ledger, "ana")
    lease = lease_all(ledger)["ana"]
    ledger.control("cancel")

    assert settle(ledger, redis, lease)
    assert ledger.run().settled == 0
    assert ledger.run().state == "cancelled"


def test_steering_without_a_run_does_nothing(ledger):
    assert [ledger.control(a) for a in ("pause", "resume", "cancel")] == ["", "", ""]
    assert ledger.run() is None


def test_fifty_runs_are_kept(ledger):
    for number in range(52):
        ledger.start(f"run{number}", "full", {})
        ledger.control("cancel")

    kept = ledger.finished_runs()
    assert len(kept) == 50
    assert kept[0].id == "run51"
