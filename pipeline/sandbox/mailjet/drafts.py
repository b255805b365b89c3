"""Campaign drafts and segments of an API key: what is written, not yet what is sent."""

from dataclasses import dataclass, field
from itertools import count

from pipeline.sandbox.wire import Row

DRAFT, PROGRAMMED, SENT = 0, 1, 2
WORDS = {
    -3: "AXCancelled",
    -2: "Deleted",
    -1: "Archived",
    DRAFT: "Draft",
    PROGRAMMED: "Programmed",
    SENT: "Sent",
    3: "AXTested",
    4: "AXSelected",
}
"""Status of a draft to Mailjet's word for it."""
NO_CONTENT: Row = {"Headers": {}, "Html-part": "", "MJMLContent": "", "Text-part": ""}


@dataclass(slots=True)
class Draft:
    """A row of `campaigndraft` and its `detailcontent`.

    Args:
        date: when it is to be sent, as its author wrote it; empty while it is not.
    """

    row: Row
    content: Row = field(default_factory=lambda: dict(NO_CONTENT))
    date: str = ""

    @property
    def id(self) -> int:
        return int(self.row["ID"])

    @property
    def has_content(self) -> bool:
        return bool(self.content["Html-part"] or self.content["Text-part"])


class Drafts:
    """Drafts by id, and rows of `contactfilter` by id."""

    def __init__(self) -> None:
        self.by_id: dict[int, Draft] = {}
        self.segments: dict[int, Row] = {}
        self._draft_ids = count(5_001)
        self._segment_ids = count(6_001)

    def add(self, fields: Row, created: str) -> Draft:
        row: Row = {
            "AXFraction": 0,
            "AXFractionName": "",
            "AXTesting": {},
            "CampaignID": 0,
            "CreatedAt": created,
            "Current": 0,
            "DeliveredAt": "",
            "EditMode": "html2",
            "ID": next(self._draft_ids),
            "IsStarred": False,
            "IsTextPartIncluded": False,
            "ModifiedAt": created,
            "Preset": "",
            "ReplyEmail": "",
            "SegmentationID": 0,
            "SenderName": "",
            "Status": DRAFT,
            "TemplateID": 0,
            "Title": "",
            "Url": "",
            "Used": False,
            **fields,
        }
        draft = self.by_id[row["ID"]] = Draft(row)
        return draft

    def add_segment(self, fields: Row) -> Row:
        new_id = next(self._segment_ids)
        row: Row = {"Description": "", "ID": new_id, "Status": "unused", **fields}
        self.segments[new_id] = row
        return row
