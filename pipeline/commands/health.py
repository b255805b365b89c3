"""`ghl-mailjet health`: what a supervisor asks, every few seconds, of one process."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from threading import Thread

import click
from dotenv import load_dotenv

from pipeline.config import from_env
from pipeline.errors import ConfigError
from pipeline.probes import Answer, Process, probe

LONGEST_SECONDS = 1.5
"""A name server that does not answer cannot be given up on sooner by itself."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("process", type=click.Choice([each.value for each in Process]))
@click.option(
    "--node",
    metavar="NAME",
    default="celery",
    show_default=True,
    help="The worker's name, as in `celery worker -n NAME@%h`.",
)
@click.option(
    "--liveness",
    is_flag=True,
    help="Fail only where a new start would help: not because Redis is away.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def health(process: str, node: str, liveness: bool, as_json: bool) -> None:
    """Say whether a process of this host does its work.

    Ends with 0 if it does and with 1 if not, within two seconds.

    Example: ghl-mailjet health worker --node urgent
    """
    answer = within(LONGEST_SECONDS, lambda: _ask(Process(process), node))
    good = answer.alive if liveness else answer.healthy
    if as_json:
        click.echo(json.dumps({"process": process, **asdict(answer)}))
    else:
        click.echo(answer.why, err=not good)
    sys.exit(0 if good else 1)


def _ask(process: Process, node: str) -> Answer:
    load_dotenv(".env")
    try:
        settings = from_env()
    except ConfigError as error:
        why = f"the settings cannot be used: {'; '.join(error.problems)}"
        return Answer(healthy=False, alive=False, why=why)
    return probe(process, settings, os.environ, node)


def within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """The answer, or that there was none in time."""
    heard: list[Answer] = []
    asking = Thread(target=lambda: heard.append(ask()), daemon=True)
    asking.start()
    asking.join(seconds)
    why = f"Redis does not answer within {seconds} s"
    return heard[0] if heard else Answer(healthy=False, alive=True, why=why)
