"""`ghl-mailjet campaigns`, and what the metrics tell of the same."""

import json
from collections.abc import Sequence

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from pipeline.bootstrap import build
from pipeline.cli import main
from pipeline.config import from_env
from pipeline.permit import Lane
from pipeline.store.ledger import Ledger
from pipeline.store.orders import Orders
from pipeline.sync.orders import Decision, OrderKind, State
from pipeline.terminal import console
from tests.builders import ENVIRON
from tests.driver import waiting
from tests.orders import LATER, READY, make_order, settle_orders
from tests.valkey import Valkey

HELD = Decision(State.HELD, "opted out")


@pytest.fixture
def environ(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(console, "_width", 200)
    return {**ENVIRON, "REDIS_URL": valkey.url}


@pytest.fixture
def failed(redis: Redis, ledger: Ledger) -> str:
    """Somebody's mail that failed, beside others of the campaign, and a webhook."""
    orders = Orders(redis, "default")
    for name, decision in (("ana", READY), ("bo", HELD), ("cy", HELD), ("di", LATER)):
        settle_orders(ledger, name, [make_order(name)], [decision])
    batch = orders.take(9)
    orders.finish(batch.token, State.FAILED, [make_order("ana").id], "send-0010")
    hook = make_order("ana", campaign="hook", kind=OrderKind.WEBHOOK)
    settle_orders(ledger, "ana", [hook], [READY])
    return "ana"


def run(environ: dict[str, str], *words: str) -> Result:
    return CliRunner().invoke(main, ["campaigns", *words], env=environ)


def rows(done: Result) -> Sequence[dict[str, object]]:
    assert done.exit_code == 0, done.output
    found: Sequence[dict[str, object]] = json.loads(done.stdout)
    return found


def test_campaigns_are_listed_with_their_counts_and_reasons(environ, failed):
    hook, welcome = rows(run(environ, "--json"))

    assert (hook["campaign"], hook["kind"], hook["ready"]) == ("hook", "webhook", 1)
    assert (welcome["waiting"], welcome["done"]) == (1, 0)
    assert welcome["held_back"] == {"opted out": 2}
    assert welcome["failed"] == {"send-0010": 1}
    shown = run(environ).stdout
    assert "welcome, mail: held back: 2 opted out" in shown
    assert "welcome, mail: failed: 1 send-0010" in shown
    assert "--retry" in shown


def test_a_contacts_orders_are_listed_without_what_happened(environ, failed):
    told = rows(run(environ, "--contact", failed, "--json"))

    assert {(o["campaign"], o["state"], o["why"], o["rule"]) for o in told} == {
        ("welcome", "failed", "send-0010", "greet"),
        ("hook", "ready", "", "greet"),
    }
    assert not any("facts" in one for one in told)
    assert "failed: send-0010" in run(environ, "--contact", failed).stdout
    assert rows(run(environ, "--contact", "nobody", "--json")) == []


def test_what_failed_goes_again_through_its_contacts_turn(
    environ, failed, ledger, redis
):
    done = run(environ, "--retry", "welcome")

    assert (done.exit_code, done.stdout[:1]) == (0, "1")
    assert waiting(ledger, redis, Lane.LIVE) == {failed}
    assert run(environ, "--retry", "welcome").exit_code == 1


def test_in_a_narrow_terminal_no_count_and_no_reason_is_cut(
    environ, ledger, monkeypatch
):
    monkeypatch.setattr(console, "_width", 80)
    held = Decision(State.HELD, "shares an address with an older contact")
    settle_orders(ledger, "ana", [make_order("ana")], [held])

    shown = run(environ).stdout

    assert (
        "welcome, mail: held back: 1 shares an address with an older contact" in shown
    )
    assert "rehearsed" in shown
    assert "--retry" not in shown, "nothing has failed"


def test_nothing_was_ordered_yet(environ, redis):
    assert rows(run(environ, "--json")) == []
    assert "Nothing was ordered" in run(environ).stdout


def test_the_metrics_count_orders_by_where_they_are(environ, failed):
    pipeline = build(from_env(environ))
    states = pipeline.kit("default").orders.states()
    pipeline.redis.close()

    assert +states == {
        State.READY: 1,
        State.WAITING: 1,
        State.HELD: 2,
        State.FAILED: 1,
    }
    assert set(states) == set(State)
