"""`ghl-mailjet alert-test`: whether alerts arrive."""

import json

import click

from pipeline.alerting import TEST, post
from pipeline.bootstrap import Pipeline
from pipeline.command_line import fail, with_pipeline
from pipeline.config import PROCESS_VARIABLES
from pipeline.errors import VendorError

VARIABLE = PROCESS_VARIABLES["alert_webhook_url"]


@click.command("alert-test")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_pipeline
def alert_test(pipeline: Pipeline, as_json: bool) -> None:
    """Send one test message to the alert webhook, and say what came back.

    Example: ghl-mailjet alert-test
    """
    url = pipeline.settings.alert_webhook_url
    if not url:
        fail(2, f"{VARIABLE} is not set: alerts go nowhere.")
    refused = None
    try:
        post(url, TEST)
    except VendorError as error:
        refused = error
    if as_json:
        status = refused.status if refused else None
        click.echo(json.dumps({"arrived": refused is None, "status": status}))
    elif refused is None:
        click.echo("The webhook took it: look where it leads.")
    if refused is not None:
        fail(1, f"The webhook did not take it: {refused}")
