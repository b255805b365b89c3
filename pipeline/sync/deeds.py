"""What a rule does when it fires."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.sync.expression import Expression


@dataclass(frozen=True)
class AddTag:
    """Add a tag to the contact in GHL."""

    tag: str


@dataclass(frozen=True)
class RemoveTag:
    """Take a tag off the contact in GHL."""

    tag: str


@dataclass(frozen=True)
class MakeTask:
    """Make a task in GHL.

    Args:
        title: in which `{url}`, `{campaign}`, `{what}` and `{when}` are filled.
        due_days: from when the task is made to its due date.
        assignee: GHL user who gets the task of a contact that nobody is assigned to.
    """

    title: str
    due_days: int = 1
    assignee: str = ""


@dataclass(frozen=True)
class WriteNote:
    """Add a note to the contact in GHL, in which the same is filled as in a title."""

    text: str


@dataclass(frozen=True)
class KeepSummary:
    """Keep one note for each campaign of Mailjet's that the contact was sent."""


@dataclass(frozen=True)
class SetProperty:
    """Set a property of the subscriber's in Mailjet that no mapping writes."""

    name: str
    value: str | int | float | bool


@dataclass(frozen=True)
class JoinList:
    """Add the subscriber to a list of Mailjet's, such as one that starts an automation.

    Args:
        campaign: under which it is counted, and happens once for each change.
    """

    list_id: int
    campaign: str


@dataclass(frozen=True)
class Send:
    """Send a template of Mailjet's to the contact.

    Args:
        campaign: the sender's name of it in Mailjet, under which it is counted.
        variables: of the template, each an expression over the contact and the change.
        transactional: it answers what the person did, and goes to somebody who opted
            out as well, at any hour and however many went before.
        sender: address it is from; "" leaves that to the template.
        subject: "" leaves it to the template.
    """

    template_id: int
    campaign: str
    variables: Mapping[str, Expression] = field(default_factory=dict)
    transactional: bool = False
    sender: str = ""
    subject: str = ""


@dataclass(frozen=True)
class ScheduleDraft:
    """Schedule a campaign for a segment of the list, once a day however many fire it.

    Args:
        template_id: whose content the campaign gets.
        segment_id: of Mailjet's segments; 0 is the whole list.
        at_hour: of the location's day; when it is over, the next one.
    """

    template_id: int
    campaign: str
    sender: str
    subject: str
    segment_id: int = 0
    at_hour: int = 9


@dataclass(frozen=True)
class CallWebhook:
    """Post ids, and the name of the rule, to a webhook of the operator's.

    Args:
        variable: of the environment, that holds the URL.
        url: may hold a secret.
    """

    variable: str
    url: str = field(repr=False)


Deed = (
    AddTag
    | RemoveTag
    | MakeTask
    | WriteNote
    | KeepSummary
    | SetProperty
    | JoinList
    | Send
    | ScheduleDraft
    | CallWebhook
)
Ordered = JoinList | Send | ScheduleDraft | CallWebhook
"""What is placed as an order first, and carried out under its guards."""
