"""What every command of `ghl-mailjet` starts with: settings, pipeline, one connection.

A command that lives in a module of its own takes these from here and is added to the
group in `pipeline/cli.py`.
"""

import json
import sys
from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, NoReturn, ParamSpec

import click
from redis.exceptions import OutOfMemoryError, RedisError

from pipeline.bootstrap import Kit, Pipeline, build
from pipeline.config import from_env
from pipeline.errors import ConfigError, PipelineError

P = ParamSpec("P")

INTERRUPTED = 130
"""What shells report of a command that Ctrl-C ended."""
UNNAMED = "default"
"""What the connection of `.env` is called."""

on_connection = click.option(
    "-c",
    "--connection",
    metavar="NAME",
    help="Which of several connections.",
)


def with_kit(
    command: Callable[Concatenate[Pipeline, Kit, P], None],
) -> Callable[P, None]:
    """Give a command its pipeline and the connection it was asked for."""

    @on_connection
    @with_pipeline
    def run(pipeline: Pipeline, /, *args: P.args, **kwargs: P.kwargs) -> None:
        connection = kwargs.pop("connection")
        name = _only(pipeline) if connection is None else str(connection)
        command(pipeline, pipeline.kit(name), *args, **kwargs)

    return update_wrapper(run, command)


def which(pipeline: Pipeline, kit: Kit) -> str:
    """What a next command is to be given to be about the same connection."""
    return f" -c {kit.connection.name}" if len(pipeline.kits) > 1 else ""


def _only(pipeline: Pipeline) -> str:
    """The connection that goes without saying.

    Raises:
        ConfigError: there are several, and none is called `default`.
    """
    names = list(pipeline.kits)
    if len(names) > 1 and UNNAMED not in names:
        raise ConfigError([f"which connection? -c NAME; there is {', '.join(names)}"])
    return UNNAMED if UNNAMED in names else names[0]


def with_pipeline(
    command: Callable[Concatenate[Pipeline, P], None],
) -> Callable[P, None]:
    """Give a command its pipeline: it is about all connections."""

    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            settings = from_env()
        except ConfigError as error:
            fail(2, "The settings cannot be used:", *error.problems)
        pipeline = build(settings)
        try:
            command(pipeline, *args, **kwargs)
        except KeyboardInterrupt:
            fail(INTERRUPTED, "Interrupted.")
        except ConfigError as error:
            fail(2, *error.problems)
        except PipelineError as error:
            fail(1, f"{type(error).__name__}: {error}")
        except RedisError as error:
            fail(1, _said_of(error))

    return update_wrapper(run, command)


def _said_of(error: RedisError) -> str:
    """What is wrong with Redis, as far as its answer tells."""
    if isinstance(error, OutOfMemoryError):
        return "Redis is full: give it more memory (maxmemory)"
    if "MISCONF" in str(error):
        return "Redis cannot write to its disk: make room there"
    return f"Redis: {type(error).__name__}; is it running at REDIS_URL?"


def show_replayed(replayed: int, chosen: int, *, as_json: bool) -> None:
    """How many of those that were chosen wait again; the others did already."""
    if as_json:
        click.echo(json.dumps({"chosen": chosen, "replayed": replayed}))
    else:
        click.echo(f"Wait again: {replayed} of {chosen}.")


def fail(code: int, *lines: str) -> NoReturn:
    """Say what is wrong on stderr and end with that exit code."""
    for line in lines:
        click.echo(line, err=True)
    sys.exit(code)
