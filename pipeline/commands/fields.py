"""`ghl-mailjet fields`: what there is to map, and whether the mapping fits."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict

import click
from rich.table import Table

from pipeline.bootstrap import Kit, Pipeline
from pipeline.command_line import with_kit
from pipeline.field_report import Field, field_report
from pipeline.findings import Level
from pipeline.terminal import console, show_finding, unmarked, whole


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_kit
def fields(pipeline: Pipeline, kit: Kit, as_json: bool) -> None:
    """List both sides' fields as they are now, and check the mapping against them.

    Writes nothing. Exit code 1 if the mapping cannot work as it is.

    Example: ghl-mailjet fields
    """
    report = field_report(kit)
    if as_json:
        click.echo(json.dumps(asdict(report)))
    else:
        _show("GHL", "mapped to", report.ghl)
        _show("Mailjet", "mapped from", report.mailjet)
        for finding in report.findings:
            show_finding(finding)
    if any(finding.level is Level.FAILURE for finding in report.findings):
        sys.exit(1)


def _show(side: str, mapped: str, found: Iterable[Field]) -> None:
    table = Table(whole(side), "name", "type", mapped)
    for one in found:
        what = ", ".join(map(unmarked, one.mapped)) or "-"
        table.add_row(unmarked(one.name), unmarked(one.label), one.kind, what)
    for column in table.columns:
        column.overflow = "fold"
    console.print(table)
