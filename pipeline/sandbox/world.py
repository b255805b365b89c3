"""Everything the sandbox holds, made and joined in one place."""

from collections.abc import Mapping

from pipeline.sandbox.calls import CallLog
from pipeline.sandbox.credentials import Credentials
from pipeline.sandbox.faults import Faults
from pipeline.sandbox.gateway import Gateway
from pipeline.sandbox.ghl import (
    appointments,
    contacts,
    listings,
    matching,
    notes,
    places,
    search,
    task_search,
    tasks,
)
from pipeline.sandbox.ghl.front import GhlFront
from pipeline.sandbox.ghl.location import Location
from pipeline.sandbox.ghl.webhooks import Webhooks
from pipeline.sandbox.limits import Allowance, parse_rate
from pipeline.sandbox.mailjet import (
    callback_urls,
    campaign_drafts,
    campaign_sending,
    counters,
    feeds,
    history,
    lists,
    messages,
    properties,
    recipients,
    segments,
    sending,
    templates,
)
from pipeline.sandbox.mailjet import contacts as people
from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.mailjet.callbacks import Callbacks
from pipeline.sandbox.mailjet.courier import Courier
from pipeline.sandbox.mailjet.front import MailjetFront
from pipeline.sandbox.outbox import Outbox
from pipeline.sandbox.seed.activities import NO_ACTIVITIES, keep_busy
from pipeline.sandbox.seed.people import furnish
from pipeline.sandbox.seed.subscribers import subscribe
from pipeline.sandbox.settings import Settings
from pipeline.sandbox.wire import Routes

WINDOW_WITHOUT_RATE_SECONDS = 10.0


class World:
    """A GHL location and a Mailjet account, settings, faults, log of calls.

    Args:
        settings: its own, for it changes them.
        contacts: how many people to invent in GHL.
        seed: the same seed and number, the same people.
        plenty: how many activities of each kind to invent for a contact.
        number: the first is 1; each has credentials and people of its own.
        list_id: the Mailjet list that was made for them.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        contacts: int,
        seed: int,
        plenty: Mapping[str, float] = NO_ACTIVITIES,
        number: int = 1,
    ) -> None:
        self.credentials = Credentials.numbered(number)
        location_id = self.credentials.location_id
        self.settings = settings
        self.log = CallLog()
        self.faults = Faults(seed)
        self.outbox = Outbox()
        # One app serves all locations: one key signs for all.
        self.webhooks = Webhooks(location_id, settings, self.outbox, seed)
        seed += number - 1
        watch = self.webhooks.changed
        self.location = Location(location_id, settings, self.faults, seed, watch)
        callbacks = Callbacks()
        self.courier = Courier(callbacks, settings, self.outbox)
        self.account = Account(settings, self.faults, callbacks, self.courier.send)
        self._allowances = {"ghl": Allowance(None), "mailjet": Allowance(None)}
        self._sending = Allowance(None)
        self.apply_limits()
        furnish(self.location, contacts, seed)
        keep_busy(self.location, plenty, seed)
        self.list_id = subscribe(self.account, self.location.book.rows.values(), seed)

    def apply_limits(self) -> None:
        """Let the vendors work by the settings' rates, window and quota."""
        settings = self.settings
        sliding = settings.window == "sliding"
        rate, daily = parse_rate(settings.ghl_rate), settings.ghl_daily
        self._allowances["ghl"].change(rate, sliding=sliding, daily=daily)
        rate = parse_rate(settings.mailjet_rate)
        self._allowances["mailjet"].change(rate, sliding=sliding, daily=None)
        rate = parse_rate(settings.mailjet_send_rate)
        self._sending.change(rate, sliding=sliding, daily=None)

    def windows(self) -> dict[str, float]:
        """Each vendor's window in seconds."""
        return {
            vendor: allowance.rate.seconds
            if allowance.rate
            else WINDOW_WITHOUT_RATE_SECONDS
            for vendor, allowance in self._allowances.items()
        }

    def ghl(self) -> Gateway[Location]:
        """GHL's door."""
        tables = (
            contacts.routes,
            listings.routes,
            matching.routes,
            places.routes,
            search.routes,
            tasks.routes,
            task_search.routes,
            notes.routes,
            appointments.routes,
        )
        return Gateway(
            GhlFront(self._allowances["ghl"], self.credentials.bearer),
            Routes[Location]().joined(tables),
            self.location,
            settings=self.settings,
            faults=self.faults,
            log=self.log,
        )

    def mailjet(self) -> Gateway[Account]:
        """Mailjet's door."""
        tables = (
            people.routes,
            properties.routes,
            lists.routes,
            recipients.routes,
            history.routes,
            callback_urls.routes,
            feeds.routes,
            counters.routes,
            sending.routes,
            messages.routes,
            campaign_drafts.routes,
            campaign_sending.routes,
            segments.routes,
            templates.routes,
        )
        return Gateway(
            MailjetFront(
                self._allowances["mailjet"],
                self._sending,
                self.account,
                self.credentials.basic,
            ),
            Routes[Account](fold_case=True).joined(tables),
            self.account,
            settings=self.settings,
            faults=self.faults,
            log=self.log,
        )
