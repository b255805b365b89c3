"""`ghl-mailjet plan` and `apply`: what a sync would do, and doing exactly that."""

import json
import sys
from pathlib import Path

import click

from pipeline.bootstrap import Kit, Pipeline
from pipeline.command_line import INTERRUPTED, fail, which, with_kit
from pipeline.commands.plan_view import (
    applied_as_json,
    plan_as_json,
    show_applied,
    show_plan,
)
from pipeline.location_facts import read_budget
from pipeline.planning.applying import apply_plan
from pipeline.planning.plan_file import load_plan, save_plan
from pipeline.planning.planner import plan as make_plan
from pipeline.sync.snapshot import Fingerprint
from pipeline.terminal import progress_bar

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("contact_ids", nargs=-1)
@click.option("--all", "everybody", is_flag=True, help="Show every contact.")
@click.option("--json", "as_json", is_flag=True, help="One object, every contact.")
@click.option("--mask", is_flag=True, help="Show of values only what kind they are.")
@click.option(
    "--out", type=FILE, metavar="FILE", help="Keep it for `apply`, without any value."
)
@with_kit
def plan(
    pipeline: Pipeline,
    kit: Kit,
    contact_ids: tuple[str, ...],
    everybody: bool,
    as_json: bool,
    mask: bool,
    out: Path | None,
) -> None:
    """Show what a sync of everybody, or of these contacts, would do; writes nothing.

    Exit code 1 if something could not be told.

    Example: ghl-mailjet plan --out plan.bin
    """
    if out is not None and not out.absolute().parent.is_dir():
        fail(2, f"--out: {out.parent} is no directory")
    with progress_bar() as (tell, progress):
        made = make_plan(kit, contact_ids, tell=tell, progress=progress)
    if out is not None:
        save_plan(made, out, _fingerprint(kit))
    budget = read_budget(kit)
    if as_json:
        click.echo(json.dumps(plan_as_json(made, budget, mask=mask)))
    else:
        show_plan(made, budget, everybody=everybody, mask=mask)
        if out is not None and made.needed:
            file = click.format_filename(out)
            click.echo(f"Apply it: ghl-mailjet apply {file}{which(pipeline, kit)}")
    if made.untold:
        sys.exit(1)


@click.command()
@click.argument("plan_file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_kit
def apply(pipeline: Pipeline, kit: Kit, plan_file: Path, as_json: bool) -> None:
    """Do what a plan says, and leave alone who is not as they were then.

    Exit code 1 if somebody was left alone, 130 if Ctrl-C ended it.

    Example: ghl-mailjet apply plan.bin
    """
    made = load_plan(plan_file, _fingerprint(kit))
    try:
        with progress_bar() as (tell, progress):
            tell("applying")
            applied = apply_plan(kit, made, progress)
    except KeyboardInterrupt:
        fail(
            INTERRUPTED,
            "Interrupted. What was written stays; the same command does the rest.",
        )
    if as_json:
        click.echo(json.dumps(applied_as_json(applied)))
    else:
        show_applied(made, applied)
    if applied.drifted or applied.undone:
        sys.exit(1)


def _fingerprint(kit: Kit) -> Fingerprint:
    return Fingerprint(kit.require_record().key)
