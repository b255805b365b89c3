"""Telling one webhook what is wrong, once until it is mended, and that it is.

Whoever looks claims the minute in Redis, where it is also remembered what was told: any
number of processes tell a thing once, whatever restarts. What is told is remembered
after the post: who dies between the two has it told twice, rather than never.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from pipeline.alert_conditions import Condition, conditions
from pipeline.bootstrap import Pipeline
from pipeline.errors import PipelineError
from pipeline.store.alerts import Alerts, Told
from pipeline.webhook_call import WebhookCaller

logger = logging.getLogger(__name__)

PASSING_SECONDS = 150
"""What may be over in a moment is told once it has lasted for so long."""
TEST = "ghl-mailjet: a test. Alerts arrive here."


@dataclass(frozen=True)
class Check:
    """What one look did.

    Args:
        told: names of conditions that are new.
        ended: names of those that are over.
    """

    told: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()


def check(pipeline: Pipeline) -> Check:
    """Look, and tell what is new and what is over; nothing while somebody else looks.

    A webhook that cannot be reached is tried again at the next look.

    Raises:
        RedisError: it does not answer.
    """
    url, alerts = pipeline.settings.alert_webhook_url, Alerts(pipeline.redis)
    if not url or not alerts.claim():
        return Check()
    now_ms = pipeline.processes.now_ms()
    found = {one.name: one for one in conditions(pipeline, pipeline.kits.values())}
    before = alerts.told()
    news = {name: one for name, one in found.items() if name not in before}
    since_ms = alerts.first_seen_ms(
        (n for n, one in news.items() if one.passes), now_ms
    )
    young = {n for n, at in since_ms.items() if now_ms - at < PASSING_SECONDS * 1000}
    new = {name: one for name, one in news.items() if name not in young}
    ended = {name: one for name, one in before.items() if name not in found}
    if not new and not ended:
        return Check()
    try:
        post(url, _text(new, ended, now_ms))
    except PipelineError as error:
        logger.warning("the alert webhook: %s", error)
        return Check()
    told = {name: Told(now_ms, one.text) for name, one in new.items()}
    alerts.save(told, ended)
    return Check(tuple(new), tuple(ended))


def post(url: str, text: str) -> None:
    """Post one message, in the form that Slack's incoming webhooks take.

    Raises:
        VendorDown: no answer, or one that says to come again.
        Rejected: any other answer but a success.
    """
    WebhookCaller("").post(url, uuid4().hex, {"text": text}, round(time.time()))


def _text(new: Mapping[str, Condition], ended: Mapping[str, Told], now_ms: int) -> str:
    lines = [
        f"ghl-mailjet: {one.text} (deploy/RUNBOOK.md, {one.runbook})"
        for one in new.values()
    ]
    for one in ended.values():
        minutes = max(1, round((now_ms - one.since_ms) / 60_000))
        lines.append(f"ghl-mailjet: over after {minutes} min: {one.text}")
    return "\n".join(lines)
