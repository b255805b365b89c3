"""Two systems that answer each other: all we write comes back as news of it.

GHL's webhooks go through the product's own inbox, Mailjet's events come by webhook or
by its feeds. What people do in between is drawn at random.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from random import Random

from redis import Redis

from pipeline import inbox
from pipeline.bootstrap import Pipeline
from pipeline.errors import ConfigError
from pipeline.feed import Feed
from pipeline.opting_in import record_opt_in
from pipeline.polls import Polls
from pipeline.store.inbox import Entry, Inbox, Source
from pipeline.store.processes import Processes
from pipeline.sweeps import Sweeps
from pipeline.sync.activity import HistoryEntry, Note, Task
from pipeline.sync.mail_event import EventKind, MailEvent
from pipeline.sync.wishes import NOTE_FEED, TASK_FEED, references
from tests.builders import ENVIRON, MAIN_LIST, VIP_LIST, told
from tests.inboxes import forget as forget_inbox
from tests.integration.consent_worlds import FOREIGN_LIST, FULL
from tests.integration.feedback_pipeline import FeedbackPipeline

RULES = "tag-openers,task-on-click,campaign-notes"
CONTACTS_MOST = 8
DAY_MS = 86_400_000
WORDS = ("Call", "Write", "<b>Call</b>", "Visit & talk")
TAGS = ("vip", "lead", "mailjet-opened", "mailjet-unsubscribed")
URLS = ("https://example.com/pricing", "https://example.com/blog")
CHANNELS = ("active", "permanent", "inactive", "inactive")


class Echoing(FeedbackPipeline):
    """One connection with rules; `random` decides who does what."""

    def __init__(self, redis: Redis, random: Random) -> None:
        super().__init__(redis, SYNC_RULES=RULES, SYNC_SOFT_BOUNCES="2")
        forget_inbox(redis)
        self.random = random
        self.posted: list[bytes] = []
        """Webhooks of GHL's that did not arrive yet."""
        self.ghl.announce = self._post
        self.echoes = 0
        self._numbers = count(1)
        kits = {"default": self.kit}
        self._pipeline = Pipeline(
            self.kit.settings, redis, Processes(redis), Inbox(redis), kits
        )

    def forget(self) -> None:
        super().forget()
        self.kit.feed.begin(self.now_ms)

    # What comes back.

    def _post(self, kind: str, contact: str, item: str) -> None:
        """GHL tells of a change, ours or somebody else's."""
        known = self.ghl.contacts.get(contact)
        fields: dict[str, object] = {"id": contact}
        if item:
            fields = {"id": item, "contactId": contact}
        if kind == "ContactDndUpdate" and known:
            fields |= {"dnd": known.dnd, "dndSettings": known.dnd_settings}
        self.posted.append(
            json.dumps(
                {
                    "type": kind,
                    "locationId": ENVIRON["GHL_LOCATION_ID"],
                    "webhookId": f"w{next(self._numbers)}",
                    **fields,
                }
            ).encode()
        )
        self.echoes += 1

    def deliver(self, most: int = 1_000_000) -> None:
        """Webhooks arrive, in any order, some of them twice."""
        self.random.shuffle(self.posted)
        some, self.posted = self.posted[:most], self.posted[most:]
        for body in some:
            place = ENVIRON["GHL_LOCATION_ID"]
            for _ in range(self.random.choice([1, 1, 2])):
                self._pipeline.inbox.put(Entry(Source.GHL, place, self.now_ms, body))
        inbox.apply_waiting(self._pipeline, 2 * len(some) + 1)
        counts = self._pipeline.inbox.counts()
        assert not counts.waiting + counts.failed, "a webhook broke us"

    def poll(self) -> None:
        """Mailjet's feeds tell of events, unsubscriptions and exclusions, ours too."""
        Polls(self.kit, self.record).read()
        Feed(self.kit, self.record).read()

    def full_run(self) -> None:
        """With its sweeps."""
        self.work()
        stages, cursor = Sweeps(self.kit, self.record).stages, {"stage": "tasks"}
        while cursor["stage"] in stages:
            cursor = stages[cursor["stage"]](cursor).next
        super().full_run()

    def hear_everything(self) -> None:
        """One round in which all that is to be heard is heard, and worked off."""
        self.tick()
        self.deliver()
        self.poll()
        self.work()

    @property
    def writes(self) -> int:
        return self.mailjet.writes + self.ghl.writes

    # What people do.

    def step(self) -> None:
        """Somebody does something, or we hear and do some of what there is."""
        self.tick()
        people: Sequence[Callable[[], object]] = (
            *(self._create, self._create, self._delete, self._move, self._rename),
            *(self._retag, self._set_dnd, self._set_dnd_for_all, self._opt_in),
            *(self._put_note, self._edit_note, self._put_task, self._end_task),
            *(self._unsubscribe, self._join, self._exclude, self._edit_properties),
            *(self._mail, self._mail, self._mail, self._mail, self._ask),
        )
        ours: Sequence[Callable[[], object]] = (
            *(lambda: self.deliver(3), self.deliver, self.poll),
            *(self.work, self.work, self._look),
        )
        roll = self.random.random()
        if roll < 0.01:
            self.full_run()
        elif roll < 0.35:
            self.random.choice(ours)()
        else:
            self.random.choice(people)()

    def _look(self) -> None:
        if contact := self._anybody():
            self.ledger.point_at([contact], "tna")

    def _anybody(self) -> str:
        return self.random.choice([*self.ghl.contacts, ""])

    def _address(self) -> str:
        """A new one, or somebody's."""
        new = f"person{next(self._numbers)}@example.com"
        known = (c.email for c in self.ghl.contacts.values())
        return self.random.choice([*known, *[new] * 6])

    def _create(self) -> None:
        if len(self.ghl.contacts) >= CONTACTS_MOST:
            return
        contact = f"c{next(self._numbers)}"
        self.ghl.contacts[contact] = told(
            FULL,
            tags=[],
            id=contact,
            email=self._address(),
            date_added_ms=self.now_ms,
            date_updated_ms=self.now_ms,
            dnd=False,
            dnd_settings={},
        )
        self._post("ContactCreate", contact, "")

    def _edit(self, kind: str, **fields: object) -> None:
        if contact := self._anybody():
            self.ghl.edit(contact, **fields)
            self._post(kind, contact, "")

    def _move(self) -> None:
        self._edit("ContactUpdate", email=self._address())

    def _rename(self) -> None:
        name = self.random.choice(WORDS)
        self._edit("ContactUpdate", values={**FULL, "firstName": name})

    def _retag(self) -> None:
        some = self.random.sample(TAGS, self.random.randrange(len(TAGS)))
        self._edit("ContactTagUpdate", tags=tuple(some))

    def _delete(self) -> None:
        contact = self._anybody()
        if contact:
            del self.ghl.contacts[contact]
            self._post("ContactDelete", contact, "")

    def _set_dnd(self) -> None:
        channel = {"status": self.random.choice(CHANNELS), "code": "1"}
        self._edit("ContactDndUpdate", dnd_settings={"Email": channel})

    def _set_dnd_for_all(self) -> None:
        self._edit("ContactDndUpdate", dnd=self.random.random() < 0.3)

    def _opt_in(self) -> None:
        """An operator records that somebody opted in; some may not."""
        if contact := self._anybody():
            self.work()
            with suppress(ConfigError):
                record_opt_in(self.kit, contact, "form 1234", self.now_ms + 1)

    def _put_note(self) -> None:
        if contact := self._anybody():
            notes = self.ghl.notes.setdefault(contact, [])
            name, body = f"user{next(self._numbers)}", self.random.choice(WORDS)
            notes.append(Note(name, body, self.now_ms, contact))
            self.ghl.edit(contact)
            self._post("NoteCreate", contact, name)

    def _edit_note(self) -> None:
        """Or delete it; whoever edits one leaves our references alone."""
        contact = self._anybody()
        notes = self.ghl.notes.get(contact, [])
        if not notes:
            return
        place = self.random.randrange(len(notes))
        note = notes[place]
        if self.random.random() < 0.3 and not references([note.body]):
            del notes[place]
            self._post("NoteDelete", contact, note.id)
        elif "[mj:" not in note.body:
            notes[place] = replace(note, body=self.random.choice(WORDS))
            self._post("NoteUpdate", contact, note.id)

    def _put_task(self) -> None:
        if contact := self._anybody():
            tasks = self.ghl.tasks.setdefault(contact, [])
            name, title = f"user{next(self._numbers)}", self.random.choice(WORDS)
            due_ms = self.now_ms + 30 * DAY_MS
            tasks.append(Task(name, title, "", "", due_ms, False, contact))
            self._post("TaskCreate", contact, name)

    def _end_task(self) -> None:
        """Complete it, or delete it."""
        contact = self._anybody()
        tasks = self.ghl.tasks.get(contact, [])
        if not tasks:
            return
        place = self.random.randrange(len(tasks))
        if self.random.random() < 0.7:
            tasks[place] = replace(tasks[place], completed=True)
            self._post("TaskComplete", contact, tasks[place].id)
        elif not references([tasks[place].body]):
            self._post("TaskDelete", contact, tasks.pop(place).id)

    def _somebody(self) -> str:
        """Somebody's address whom Mailjet knows; "" is nobody's."""
        known = {person.email for person in self.mailjet.people.values()}
        theirs = (one.email for one in self.ghl.contacts.values())
        return self.random.choice([*(e for e in theirs if e in known), ""])

    def _unsubscribe(self) -> None:
        if email := self._somebody():
            list_id = self.random.choice([MAIN_LIST, VIP_LIST, FOREIGN_LIST])
            self.mailjet.leave(email, list_id)

    def _join(self) -> None:
        if email := self._somebody():
            self.mailjet.join(email, self.random.choice([MAIN_LIST, FOREIGN_LIST]))

    def _exclude(self) -> None:
        if email := self._somebody():
            self.mailjet.exclude(email, excluded=self.random.random() < 0.5)

    def _edit_properties(self) -> None:
        if email := self._somebody():
            properties = self.mailjet.somebody(email).properties
            properties["city"] = self.random.choice(WORDS)

    def _mail(self) -> None:
        """Somebody does something with a mail, of which we hear at once or later."""
        email = self._somebody()
        if not email:
            return
        kinds = [EventKind.OPEN, EventKind.CLICK, EventKind.CLICK, EventKind.SENT]
        kind = self.random.choice([*kinds * 3, EventKind.BOUNCE, EventKind.UNSUB])
        event = MailEvent(
            kind,
            self.mailjet.second_ms,
            email,
            message_id=self.random.randrange(1, 40),
            campaign_id=self.random.randrange(1, 4),
            url=self.random.choice(URLS) if kind is EventKind.CLICK else "",
            hard=kind is EventKind.BOUNCE and self.random.random() < 0.2,
        )
        self.mailjet.happened.append(event)
        if kind is EventKind.UNSUB:
            self.mailjet.leave(email, MAIN_LIST)
        if self.random.random() < 0.6:
            self.feedback.apply([event] * self.random.choice([1, 2]))

    def _ask(self) -> None:
        """Somebody writes an entry in Mailjet that asks for a note or a task."""
        if email := self._somebody():
            name = self.random.choice([NOTE_FEED, TASK_FEED])
            text = self.random.choice(WORDS)
            data = text if name == NOTE_FEED else json.dumps({"title": text})
            person = self.mailjet.somebody(email).id
            number = 1_000_000 + next(self._numbers)
            self.mailjet.entries.append(
                HistoryEntry(number, person, name, data, self.now_ms)
            )
