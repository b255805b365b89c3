"""What `check` finds about rules: what they name in Mailjet, and who is sent mails."""

from collections.abc import Callable, Iterator
from functools import partial

from pipeline.bootstrap import Kit
from pipeline.errors import NotFound, PipelineError
from pipeline.findings import Finding, Level
from pipeline.permit import Lane, Permit
from pipeline.sync.deeds import JoinList, ScheduleDraft, Send

GO_LIVE = "look at `ghl-mailjet campaigns`, then set `live = true` (SYNC_LIVE)"


def check_rules(kit: Kit) -> Iterator[Finding]:
    """Look at what rules need of Mailjet, and whether what they send leaves."""
    mailjet = kit.mailjet(Permit(Lane.LIVE))
    for rule in kit.rules:
        for deed in rule.do:
            match deed:
                case JoinList(list_id):
                    what = f"Mailjet list {list_id}"
                    yield _found(what, rule.name, partial(mailjet.get_list, list_id))
                case Send(template_id) | ScheduleDraft(template_id):
                    what = f"Mailjet template {template_id}"
                    read = partial(mailjet.template_content, template_id)
                    yield _found(what, rule.name, read)
    sends = any(rule.deeds(Send) or rule.deeds(JoinList) for rule in kit.rules)
    if sends and not kit.connection.live:
        what = "not live: mails of rules are checked by Mailjet, and not sent"
        yield Finding(Level.WARNING, what, GO_LIVE)


def _found(what: str, rule: str, read: Callable[[], object]) -> Finding:
    try:
        read()
    except NotFound:
        mend = f"correct it in the rule {rule!r}"
        return Finding(Level.FAILURE, f"{what}: unknown", mend)
    except PipelineError as error:
        return Finding(Level.FAILURE, f"{what}: {error}")
    return Finding(Level.OK, f"{what}, of the rule {rule!r}")
