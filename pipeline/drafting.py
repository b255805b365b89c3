"""A campaign that many contacts' changes ask for, made and scheduled once.

Mailjet knows no idempotency keys, but a campaign has a title that we choose: whoever
comes after a lost answer, or for the next contact, looks for it before making one.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.errors import NotFound, Rejected, Unauthorized
from pipeline.mailjet.drafts import DraftCalls


def schedule_once(client: DraftCalls, wanted: Mapping[str, Any], now_ms: int) -> None:
    """Make a campaign of a template, unless it is there, and let it leave at its time.

    A campaign that somebody sent, dropped or archived is left as it is. One that was
    not scheduled yet is, whoever made it.

    Args:
        wanted: `title`, `list_id`, `segment_id`, `template_id`, `sender`, `subject` and
            `at_ms`, milliseconds since 1970 UTC; a time that is over means at once.

    Raises:
        Rejected: Mailjet refuses it, or there is no such template.
        Ambiguous: something may have been made; to be repeated from the start.
        VendorError: see `pipeline.errors`.
    """
    title, list_id = str(wanted["title"]), int(wanted["list_id"])
    draft = client.find_draft(title, list_id)
    if draft is None:
        draft = client.create_draft(
            title,
            list_id=list_id,
            segment_id=int(wanted.get("segment_id", 0)),
            sender=str(wanted["sender"]),
            subject=str(wanted["subject"]),
        )
    if not draft.is_open:
        return
    try:
        content = client.template_content(int(wanted["template_id"]))
    except (NotFound, Unauthorized) as error:
        # The key was good enough for the campaign: this one is of somebody else.
        detail = "no such template"
        raise Rejected("mailjet", error.route, error.status, detail) from None
    client.write_content(draft.id, content)
    client.schedule_draft(draft.id, int(wanted["at_ms"]), now_ms)
