"""What we write comes back as news, and the news ends in silence.

`ECHO_STEPS` sets how many steps two systems take against each other.
"""

import os
from random import Random

import pytest
from redis import Redis

from tests.integration.echoing import Echoing

STEPS = int(os.environ.get("ECHO_STEPS", "2000"))
WORLD = 500
"""Steps after which another world begins: where everybody has said no, all is quiet."""
STORM = 50
"""Steps before everybody leaves the two systems alone for a while."""
ROUNDS_MOST = 6
"""Rounds after which nothing may be written any more."""
WRITES_MOST = 25
"""For each contact: its consent on both sides, its values, a note for each campaign, a
task and a tag of each rule, and each activity of a storm told once."""
QUIET_ROUNDS = 8


def come_to_rest(world: Echoing) -> int:
    """Let the echoes ring out; how many writes there were after the last edit."""
    before = world.writes
    for _ in range(ROUNDS_MOST):
        was = world.writes
        world.hear_everything()
        if world.writes == was and not world.posted:
            break
    world.full_run()
    world.hear_everything()
    return world.writes - before


def must_be_silent(world: Echoing) -> None:
    before, echoes = world.writes, world.echoes
    for number in range(QUIET_ROUNDS):
        world.hear_everything()
        if number % 4 == 3:
            world.full_run()
    assert world.writes == before, "an echo was answered"
    assert world.echoes == echoes


@pytest.mark.timeout(300)
def test_two_systems_that_answer_each_other_come_to_rest(redis: Redis) -> None:
    seed, echoes = os.environ.get("ECHO_SEED", "5"), 0
    for number in range(max(STEPS // WORLD, 1)):
        world = Echoing(redis, Random(f"{seed} {number}"))
        for _ in range(WORLD // STORM):
            for _ in range(STORM):
                world.step()
            writes = come_to_rest(world)
            most = WRITES_MOST * max(len(world.ghl.contacts), 1)
            assert writes <= most, f"{writes} writes after a storm in world {number}"
            must_be_silent(world)
        echoes += world.echoes
    assert echoes > STEPS / 10, "hardly anything came back"
