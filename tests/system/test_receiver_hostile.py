"""A thousand requests of people who mean no good; ten thousand by hand:
`python -m tests.bench.receiver --hostile 10000`."""

from collections.abc import Iterator

import pytest

from pipeline.bootstrap import Pipeline
from tests.system.hostile import MAKERS, MARK, Report, attack
from tests.system.receiving import Receiver, mailjet_body, receiving
from tests.valkey import Valkey

COUNT = 1_000
SEED = 5
MOST_GROWN_BYTES = 16 * 2**20
"""Three of the largest bodies; ten thousand requests grow no more than a thousand."""


@pytest.fixture(scope="module")
def attacked() -> Iterator[tuple[Receiver, Pipeline, Report]]:
    with Valkey() as server, receiving(server) as (receiver, pipeline):
        yield receiver, pipeline, attack(receiver, pipeline, COUNT, SEED)


@pytest.fixture
def report(attacked: tuple[Receiver, Pipeline, Report]) -> Report:
    return attacked[2]


def test_every_kind_was_sent(report: Report) -> None:
    assert len(report.sent) == len(MAKERS)
    assert min(report.sent.values()) > COUNT / 20


def test_each_is_refused_as_it_should_be(report: Report) -> None:
    assert report.wrong == {}


def test_none_has_an_effect(report: Report) -> None:
    assert not report.effects


def test_nothing_crashes(attacked: tuple[Receiver, Pipeline, Report]) -> None:
    receiver, _, report = attacked

    assert not report.crashes
    assert receiver.process.log.count("Booting worker") == 1
    assert "Traceback" not in receiver.process.log
    assert receiver.mailjet(mailjet_body(8)) == 200


def test_nothing_of_a_request_is_repeated(
    attacked: tuple[Receiver, Pipeline, Report],
) -> None:
    receiver, _, report = attacked

    assert report.echoes == 0
    assert MARK not in receiver.process.log


def test_memory_stays_flat(report: Report) -> None:
    assert report.grown_bytes < MOST_GROWN_BYTES
