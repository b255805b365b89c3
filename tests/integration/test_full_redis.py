"""What the command line says of a Redis that takes no writes."""

import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from pipeline.bootstrap import Pipeline
from pipeline.cli import main
from pipeline.command_line import with_pipeline
from tests.builders import ENVIRON
from tests.valkey import Valkey, free_port

DISK_FULL = "MISCONF Errors writing to the AOF file: No space left on device"


@pytest.fixture
def environ(redis: Redis, valkey: Valkey) -> dict[str, str]:
    nobody = f"http://127.0.0.1:{free_port()}"
    vendors = {"GHL_BASE_URL": nobody, "MAILJET_BASE_URL": nobody}
    return {**ENVIRON, **vendors, "REDIS_URL": valkey.url}


@pytest.fixture
def full(redis: Redis) -> Iterator[None]:
    """It may hold one byte: what it holds changes from moment to moment."""
    redis.config_set("maxmemory", 1)
    yield
    redis.config_set("maxmemory", 0)


@pytest.mark.usefixtures("full")
def test_a_full_redis_is_named_by_who_cannot_write(environ: dict[str, str]) -> None:
    done = CliRunner().invoke(main, ["pause"], env=environ)

    told = "Redis is full: give it more memory (maxmemory)\n"
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", told)


@pytest.mark.usefixtures("full")
def test_check_says_how_full_it_is(environ: dict[str, str]) -> None:
    done = CliRunner().invoke(main, ["check"], env=environ)

    assert re.search(r"failure Redis is full to \d{3,}%", done.stdout)
    assert "-> raise `maxmemory`" in done.stdout


def test_check_finds_no_fault_with_one_that_has_room(environ: dict[str, str]) -> None:
    done = CliRunner().invoke(main, ["check"], env=environ)

    assert "ok      Redis answers" in done.stdout
    assert "full" not in done.stdout


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ResponseError(DISK_FULL), "Redis cannot write to its disk: make room there"),
        (RedisError(), "Redis: RedisError; is it running at REDIS_URL?"),
    ],
    ids=["disk", "other"],
)
def test_a_full_disk_is_told_from_a_redis_that_is_away(
    environ: dict[str, str], error: RedisError, told: str
) -> None:
    @click.command()
    @with_pipeline
    def fails(pipeline: Pipeline) -> None:
        raise error

    done = CliRunner().invoke(fails, env=environ)

    assert (done.exit_code, done.stderr) == (1, f"{told}\n")
