"""`ghl-mailjet rules test`: which rules would fire for a contact, and why."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click
from rich.table import Table

from pipeline.bootstrap import Kit, Pipeline
from pipeline.command_line import with_kit
from pipeline.overview import utc
from pipeline.rule_trial import Supposed, Trial, try_rules
from pipeline.sync import deeds
from pipeline.sync.deeds import Deed
from pipeline.sync.orders import Decision, Order, State
from pipeline.terminal import console, unmarked, whole

VALUE_LENGTH = 60


@click.group()
def rules() -> None:
    """Try the rules of a connection.

    Example: ghl-mailjet rules test CONTACT_ID --tag vip
    """


@rules.command("test")
@click.argument("contact_id")
@click.option("--tag", default="", help="As if this tag had been added.")
@click.option(
    "--changed", multiple=True, metavar="FIELD", help="As if only these had changed."
)
@click.option("--url", default="", help="As if this link had been clicked.")
@click.option("--campaign", default="", help="As if it were a mail of this campaign.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
@with_kit
def try_on(
    pipeline: Pipeline,
    kit: Kit,
    contact_id: str,
    tag: str,
    changed: tuple[str, ...],
    url: str,
    campaign: str,
    as_json: bool,
) -> None:
    """Show which rules would fire for a contact, and why; nothing is done.

    Each rule is tried as if what it waits for had just happened.

    Example: ghl-mailjet rules test CONTACT_ID --tag vip
    """
    supposed = Supposed(tag.strip().lower(), changed, url, campaign)
    trials = try_rules(kit, contact_id, supposed)
    if as_json:
        click.echo(json.dumps([_as_json(trial) for trial in trials], default=str))
        return
    if not trials:
        click.echo('No rule is on; see "Rules" in the README.')
        return
    table = Table(
        whole("rule"), "if", "fires", "because", "what follows", show_lines=True
    )
    for column in table.columns:
        column.overflow = "fold"
    for trial in trials:
        table.add_row(
            trial.rule.name,
            unmarked(": ".join(filter(None, (trial.trigger, _cut(trial.what))))),
            _fires(trial),
            unmarked(_because(trial)),
            unmarked("\n".join(_follows(trial))),
        )
    console.print(table)
    if not kit.connection.live and any(trial.decisions for trial in trials):
        click.echo("Not live: mails are checked by Mailjet, and not sent.")


def _fires(trial: Trial) -> str:
    if trial.holds is None:
        return "cannot tell"
    if not trial.holds:
        return "no"
    return "yes, at its next sync" if trial.is_now else "yes"


def _because(trial: Trial) -> str:
    if not trial.rule.when:
        return trial.reason or "it has no condition"
    lines = [trial.rule.when.text]
    lines += [f"{name} = {_cut(_plain(value))}" for name, value in trial.facts.items()]
    return "\n".join([*lines, *filter(None, [trial.reason])])


def _follows(trial: Trial) -> Iterable[str]:
    if not trial.holds:
        return
    for deed in trial.rule.do:
        if not isinstance(deed, deeds.Ordered):
            yield described(deed)
    for order, decision in trial.decisions:
        yield f"{order.kind} of {order.campaign!r}: {_decided(decision)}"


def described(deed: Deed) -> str:
    """What a deed does, in words."""
    match deed:
        case deeds.AddTag(tag):
            return f"adds the tag {tag!r}"
        case deeds.RemoveTag(tag):
            return f"removes the tag {tag!r}"
        case deeds.MakeTask(title):
            return f"makes a task: {title}"
        case deeds.WriteNote():
            return "writes a note"
        case deeds.KeepSummary():
            return "keeps the campaign's note"
        case deeds.SetProperty(name):
            return f"sets the property {name}"
    return type(deed).__name__


def _decided(decision: Decision) -> str:
    if decision.state is State.WAITING:
        return f"waits until {utc(decision.not_before_ms)} UTC"
    words = {State.READY: "goes", State.DONE: "done at once"}
    return decision.why or words.get(decision.state, str(decision.state))


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        return value
    return json.dumps(value, default=str, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= VALUE_LENGTH else f"{text[: VALUE_LENGTH - 1]}…"


def _as_json(trial: Trial) -> dict[str, Any]:
    return {
        "rule": trial.rule.name,
        "trigger": trial.trigger,
        "what": trial.what,
        "fires": trial.holds,
        "at_its_next_sync": trial.is_now,
        "reason": trial.reason,
        "when": trial.rule.when.text if trial.rule.when else None,
        "facts": trial.facts,
        "deeds": [described(d) for d in trial.rule.do if not _is_ordered(d)],
        "orders": [_order(order, decision) for order, decision in trial.decisions],
    }


def _is_ordered(deed: Deed) -> bool:
    return isinstance(deed, deeds.Ordered)


def _order(order: Order, decision: Decision) -> dict[str, Any]:
    return {
        "kind": order.kind,
        "campaign": order.campaign,
        "state": decision.state,
        "why": decision.why,
        "not_before": utc(decision.not_before_ms) if decision.not_before_ms else None,
    }
