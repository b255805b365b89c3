"""What every command of `ghl-mailjet` starts with: settings, pipeline, one connection.

A command that lives in a module of its own takes these from here and is added to the
group in `pipeline/cli.py`.
"""

import sys
from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, NoReturn, ParamSpec

import click
from redis.exceptions import RedisError

from pipeline.bootstrap import Kit, Pipeline, build
from pipeline.config import from_env
from pipeline.errors import ConfigError, PipelineError

P = ParamSpec("P")

on_connection = click.option(
    "-c", "--connection", default="default", show_default=True, metavar="NAME"
)


def with_kit(
    command: Callable[Concatenate[Pipeline, Kit, P], None],
) -> Callable[P, None]:
    """Give a command its pipeline and the connection it was asked for."""

    @on_connection
    @with_pipeline
    def run(pipeline: Pipeline, /, *args: P.args, **kwargs: P.kwargs) -> None:
        connection = str(kwargs.pop("connection"))
        command(pipeline, pipeline.kit(connection), *args, **kwargs)

    return update_wrapper(run, command)


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
        except ConfigError as error:
            fail(2, *error.problems)
        except PipelineError as error:
            fail(1, f"{type(error).__name__}: {error}")
        except RedisError as error:
            fail(1, f"Redis: {type(error).__name__}; is it running at REDIS_URL?")

    return update_wrapper(run, command)


def fail(code: int, *lines: str) -> NoReturn:
    """Say what is wrong on stderr and end with that exit code."""
    for line in lines:
        click.echo(line, err=True)
    sys.exit(code)
