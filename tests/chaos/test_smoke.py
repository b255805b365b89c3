"""A short `make chaos`: two kills in one small run."""

from tests.chaos.kills import with_kills


def test_nobody_is_lost_when_workers_are_killed_at_random_moments() -> None:
    report = with_kills(seed=7, contacts=100, kills=2, rate="100/10")

    assert report.wrong == []
    assert len(report.kills) == 2
    assert report.edited == 10
