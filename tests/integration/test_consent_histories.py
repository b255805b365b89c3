"""Whatever happens on both sides: nobody who opted out anywhere is mailed anywhere.

Many people, some with one address, whose minds, addresses and state change at random;
events come in any order, twice, late or never. `CONSENT_HISTORIES` sets how many
histories are told on vendors of a few lines; on the sandbox it is a twentieth.
"""

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from pipeline.permit import Lane
from pipeline.sync.mail_event import EventKind, MailEvent
from tests.builders import MAIN_LIST
from tests.consent_oracle import Oracle
from tests.driver import Driver, dnd
from tests.integration.consent_worlds import (
    BOUNCE,
    SOFT_BOUNCES,
    SandboxWorld,
    TinyWorld,
    World,
    blocks,
    feedback,
    has_address,
    holders,
    mailable,
    opt_in,
    report,
    shown,
)
from tests.sandbox import MailjetCaller

HISTORIES = int(os.environ.get("CONSENT_HISTORIES", "160"))
STEPS = 30
picks = st.integers(0, 5)
places = st.integers(0, 2)
lanes = st.sampled_from(list(Lane))
statuses = st.sampled_from(["active", "active", "permanent", "inactive", "inactive"])


class ConsentMachine(RuleBasedStateMachine):
    """One connection and three addresses; contacts are picked by number."""

    make_world: Callable[[], World]

    def __init__(self) -> None:
        super().__init__()
        self.world = type(self).make_world()
        self.oracle = Oracle(SOFT_BOUNCES)
        self.events: list[MailEvent] = []
        """All that ever happened, whoever heard of it."""
        self.remembered: set[str] = set()
        """Addresses of contacts that we synced, since our state was lost."""

    # The frame of every step.

    def humans(self, act: Callable[[], object]) -> None:
        """Somebody does something on one side."""
        before, at_ms = shown(self.world), self.world.now()
        act()
        self.oracle.shown(before, shown(self.world), at_ms)

    def we(self, act: Callable[[], object]) -> None:
        """We do something; whom we subscribe again must have asked for it."""
        self.world.now()
        act()
        by_email = holders(self.world)
        for email in self.world.forced():
            told = by_email.get(email, [])
            assert self.oracle.may_force(email, told), "subscribed without an opt-in"
        self.oracle.left(shown(self.world))
        for email, contacts in by_email.items():
            at_address = has_address(self.world, email)
            self.look(*(c for c in contacts if at_address(c)), only_moved=True)

    def pick(self, number: int) -> str | None:
        ids = list(self.world.contacts())
        return ids[number % len(ids)] if ids else None

    def look(self, *ids: str, only_moved: bool = False) -> None:
        """We just looked at these contacts."""
        rows, people = self.world.contacts(), self.world.people()
        for contact in ids:
            if contact in rows:
                email = rows[contact]["email"]
                if only_moved and self.oracle.had.get(contact) == email:
                    continue
                self.oracle.look(contact, email, is_there=email in people)
                self.remembered.add(email)

    def sharers(self, contact: str) -> list[str]:
        """Everybody of whom we have found that they have the contact's address."""
        email = self.world.contacts()[contact]["email"]
        at_address = has_address(self.world, email)
        return [one for one in holders(self.world).get(email, []) if at_address(one)]

    # GHL

    @initialize(people=st.lists(st.tuples(places, st.booleans()), max_size=4))
    def begin(self, people: list[tuple[int, bool]]) -> None:
        for place, vip in people:
            self.create(place=place, vip=vip)

    @rule(place=places, vip=st.booleans())
    def create(self, place: int, vip: bool) -> None:
        if len(self.world.contacts()) < 6:
            email = self.world.emails[place]
            self.humans(lambda: self.world.create(email, vip=vip))

    @rule(number=picks, place=st.sampled_from([0, 1, 2, 0, 1, 2, None]))
    def move(self, number: int, place: int | None) -> None:
        if contact := self.pick(number):
            email = "" if place is None else self.world.emails[place]
            self.humans(lambda: self.world.edit(contact, email=email))

    @rule(number=picks)
    def delete(self, number: int) -> None:
        if contact := self.pick(number):
            self.humans(lambda: self.world.delete(contact))

    @rule(number=picks, status=statuses, announced=st.booleans())
    def set_dnd(self, number: int, status: str, announced: bool) -> None:
        """A user sets the channel, over whatever stood there."""
        if not (contact := self.pick(number)):
            return
        self.touch_bounces(contact)
        self.humans(lambda: self.world.edit(contact, **dnd(status)))
        if announced:
            self.announce(contact, status != "inactive")

    @rule(number=picks, on=st.booleans(), announced=st.booleans())
    def set_dnd_for_all(self, number: int, on: bool, announced: bool) -> None:
        if contact := self.pick(number):
            self.humans(lambda: self.world.edit(contact, dnd=on))
            if announced:
                self.announce(contact, on or None)

    def announce(self, contact: str, opted_out: bool | None) -> None:
        """The webhook of a change of DND comes, and is handled later."""
        at_ms = self.world.now()
        feedback(self.world).dnd(contact, opted_out, at_ms)
        if opted_out:
            self.oracle.hear(contact, at_ms)

    # Mailjet

    @rule(place=places, list_=places, heard=st.booleans())
    def unsubscribe(self, place: int, list_: int, heard: bool) -> None:
        email, list_id = self.world.emails[place], self.world.lists[list_]
        if heard:
            self.happen(EventKind.UNSUB, email, list_id=list_id)
        else:
            self.humans(lambda: self.world.leave(email, list_id))

    @rule(place=places, list_=places)
    def resubscribe_by_hand(self, place: int, list_: int) -> None:
        """An operator's doing, and nobody's consent, once we have seen the no."""
        email, list_id = self.world.emails[place], self.world.lists[list_]
        lists = self.world.people().get(email, {}).get("lists", {})
        if lists.get(list_id):
            self.humans(lambda: self.world.join(email, list_id))
            known = self.world.contacts().keys() - self.oracle.unseen
            if email not in map(self.oracle.had.get, known):
                # The address is nobody's whom we know.
                self.remembered.discard(email)

    @rule(place=places, list_=places)
    def is_resubscribed_by_hand_before_we_look(self, place: int, list_: int) -> None:
        """All that is left of the no is that we were told of it."""
        self.unsubscribe(place=place, list_=list_, heard=True)
        self.learn(self.events[-1])
        self.we(lambda: feedback(self.world).apply(self.events[-1:]))
        self.resubscribe_by_hand(place=place, list_=list_)

    @rule(place=places, excluded=st.booleans())
    def exclude_or_include_by_hand(self, place: int, excluded: bool) -> None:
        email = self.world.emails[place]
        if email in self.world.people():
            self.touch_bounces(*holders(self.world).get(email, []))
            self.humans(lambda: self.world.exclude(email, excluded=excluded))

    @rule(place=places)
    def erase(self, place: int) -> None:
        """For good, in Mailjet: what we have heard stays true for GHL."""
        email = self.world.emails[place]
        if email in self.world.people():
            self.humans(lambda: self.world.erase(email))
            self.oracle.erase(email)
            self.events = [event for event in self.events if event.email != email]

    @rule(place=places)
    def complain(self, place: int) -> None:
        self.happen(EventKind.SPAM, self.world.emails[place])

    @rule(place=places, hard=st.sampled_from([True, False, False, False]))
    def bounce(self, place: int, hard: bool) -> None:
        self.happen(EventKind.BOUNCE, self.world.emails[place], hard=hard)

    @rule(place=places)
    def deliver(self, place: int) -> None:
        self.happen(EventKind.SENT, self.world.emails[place])

    def happen(self, kind: EventKind, email: str, **facts: object) -> None:
        def happens() -> None:
            self.events.append(self.world.happen(kind, email, **facts))

        self.humans(happens)

    def touch_bounces(self, *contacts: str) -> None:
        """A bounce that only GHL still tells is gone once that is changed."""
        rows = self.world.contacts()
        told = {e.email for e in self.events if e.hard and e.identity in self.heard}
        self.oracle.hard -= {rows[c]["email"] for c in contacts} - told

    # What we hear, and do.

    @property
    def heard(self) -> set[str]:
        """Events that were told since our state was lost."""
        if not hasattr(self, "_heard"):
            self._heard: set[str] = set()
        return self._heard

    @rule(data=st.data(), works=st.booleans())
    def hear(self, data: st.DataObject, works: bool) -> None:
        """Webhooks come: in any order, more than once, some of them never."""
        if not self.events:
            return
        told = data.draw(st.lists(st.sampled_from(self.events), min_size=1, max_size=4))
        for event in told:
            self.learn(event)
        self.we(lambda: feedback(self.world).apply(told))
        if works:
            self.work()

    def learn(self, event: MailEvent) -> None:
        self.heard.add(event.identity)
        match event.kind:
            case EventKind.UNSUB | EventKind.SPAM:
                self.oracle.hear(event.email, event.at_ms)
            case EventKind.BOUNCE:
                self.oracle.bounce(event.email, event.at_ms, hard=event.hard)
            case EventKind.SENT:
                self.oracle.arrive(event.email, event.at_ms)

    @rule()
    def poll(self) -> None:
        """All feeds: of what the history holds nothing is older than their windows."""
        before = dict(self.oracle.flags)
        for event in self.events:
            if event.kind in (EventKind.BOUNCE, EventKind.SPAM):
                self.learn(event)
        for (place, what), at_ms in before.items():
            if what.startswith("list"):
                self.oracle.hear(place, at_ms)
        self.we(self.world.poll)

    @rule()
    def work(self) -> None:
        self.we(self.world.work)

    @rule(number=picks, lane=lanes)
    def sync(self, number: int, lane: Lane) -> None:
        if contact := self.pick(number):
            self.world.kit.ledger.mark(lane, [contact])
            self.work()
            if lane is not Lane.BULK:
                self.look(contact)

    @rule()
    def full_run(self) -> None:
        everybody = list(self.world.contacts())
        self.we(self.world.full_run)
        self.look(*everybody)

    @rule(works=st.booleans())
    def read_optouts(self, works: bool) -> None:
        self.we(self.world.read_optouts)
        if works:
            self.work()

    @rule(number=picks, seconds_ago=st.sampled_from([0, 0, 0, 3, 10]))
    def opt_in(self, number: int, seconds_ago: int) -> None:
        """The person opted in, now or so long ago; an operator records it."""
        contact = self.pick(number)
        if contact is None:
            return
        self.work()
        at_ms = self.world.now() + 1 - seconds_ago * 1000
        known = dict(self.oracle.yes)
        self.look(contact, *self.sharers(contact))
        self.oracle.opt_in(contact, at_ms)

        def record() -> None:
            if not opt_in(self.world, contact, at_ms):
                self.oracle.yes = known

        self.we(record)
        self.work()

    @rule(number=picks, how=st.sampled_from(["ghl", "all", "list", "excluded", "told"]))
    def opt_in_and_say_no_again(self, number: int, how: str) -> None:
        """In the same way as before, and maybe in the same second."""
        contact = self.pick(number)
        email = self.world.contacts()[contact]["email"] if contact else ""
        if not contact or not email:
            return
        main = self.world.lists[0]
        ways: dict[str, Callable[[], object]] = {
            "ghl": lambda: self.world.edit(contact, **dnd("active")),
            "all": lambda: self.world.edit(contact, dnd=True),
            "list": lambda: self.world.leave(email, main),
            "excluded": lambda: self.world.exclude(email, excluded=True),
            "told": lambda: self.events.append(
                self.world.happen(EventKind.UNSUB, email, list_id=main)
            ),
        }
        self.humans(ways[how])
        if how == "all":
            self.sync(number=number, lane=Lane.LIVE)
            self.humans(lambda: self.world.edit(contact, dnd=False))
        self.opt_in(number=number, seconds_ago=0)
        self.humans(ways[how])
        if how == "told":
            self.learn(self.events[-1])
            self.we(lambda: feedback(self.world).apply(self.events[-1:]))

    @rule(number=picks, list_=places, place=places)
    def say_no_and_move_before_we_look(
        self, number: int, list_: int, place: int
    ) -> None:
        contact = self.pick(number)
        email = self.world.contacts()[contact]["email"] if contact else ""
        if email:
            self.humans(lambda: self.world.leave(email, self.world.lists[list_]))
            self.move(number=number, place=place)

    @rule(place=places)
    def lose_all_that_mailjet_and_we_know(self, place: int) -> None:
        """What we wrote into GHL is all that is left."""
        for list_ in range(len(self.world.lists)):
            self.resubscribe_by_hand(place=place, list_=list_)
        self.exclude_or_include_by_hand(place=place, excluded=False)
        self.lose_all_state()

    @rule()
    def lose_all_state(self) -> None:
        at_ms = self.world.now()
        self.world.forget()
        rows = self.world.contacts().values()
        dead = {row["email"] for row in rows if row["code"] == BOUNCE}
        ever = {e.email for e in self.events if e.kind is EventKind.BOUNCE}
        flags = {f for f in shown(self.world) if f[1] != "excluded" or f[0] not in ever}
        self.oracle.forget(flags, dead - {""}, at_ms)
        self.heard.clear()
        self.remembered.clear()

    @rule()
    def come_to_rest(self) -> None:
        """What Beat does every night, and then once more."""
        self.work()
        self.full_run()
        self.we(lambda: report(self.world))
        self.work()
        self.check()
        writes = self.world.writes()
        self.full_run()
        found = report(self.world)
        self.work()
        assert self.world.writes() == writes, "not at rest"
        assert found.mailable == (), "the report finds somebody who is mailable"

    def teardown(self) -> None:
        self.come_to_rest()

    # The laws.

    def check(self) -> None:
        rows, by_email = self.world.contacts(), holders(self.world)
        for email in self.world.emails:
            closed = [c for c in by_email.get(email, []) if self.oracle.is_closed(c)]
            if email not in by_email:
                if email in self.oracle.noes and email in self.remembered:
                    assert not mailable(self.world, email), f"{email}: a no, nobody's"
                continue
            if not (closed or self.oracle.is_dead(email)):
                continue
            why = f"{email}: {closed or 'dead'}"
            assert not mailable(self.world, email), f"mailable: {why}"
            for contact in by_email[email]:
                assert blocks(rows[contact]), f"GHL may mail {contact}: {why}"


def histories(make_world: Callable[[], World], count: int) -> None:
    machine = type("Machine", (ConsentMachine,), {"make_world": make_world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=count,
            stateful_step_count=STEPS,
            deadline=None,
            # To shorten a history takes longer than all of them.
            phases=[Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_histories_on_vendors_of_a_few_lines(redis: Redis) -> None:
    histories(staticmethod(lambda: TinyWorld(redis)), HISTORIES)


@pytest.mark.timeout(300)
def test_histories_on_the_sandbox(
    build_driver: Callable[..., Driver], mailjet: MailjetCaller
) -> None:
    vip, foreign = mailjet.new_list(), mailjet.new_list()
    driver = build_driver(
        SYNC_TAG_LISTS=f"vip={vip}", SYNC_SOFT_BOUNCES=str(SOFT_BOUNCES)
    )
    lists = (int(driver.list_id), vip, foreign)
    histories(staticmethod(lambda: SandboxWorld(driver, lists)), HISTORIES // 20)


def test_a_bounce_is_no_opt_out_although_all_state_was_lost(redis: Redis) -> None:
    world = TinyWorld(redis)
    contact, email = world.create(world.emails[0], vip=False), world.emails[0]
    world.full_run()
    world.feedback.apply([world.happen(EventKind.BOUNCE, email, hard=True)])
    world.work()

    world.forget()
    world.full_run()
    world.full_run()

    assert world.contacts()[contact]["code"] == BOUNCE
    assert world.people()[email]["lists"][MAIN_LIST] is False
    assert not mailable(world, email)


def test_a_no_in_the_second_of_an_opt_in_may_be_the_newer_one(redis: Redis) -> None:
    world = TinyWorld(redis)
    contact, email = world.create(world.emails[0], vip=False), world.emails[0]
    world.full_run()
    world.now_ms = world.mailjet.second_ms + 1000
    world.tick()
    assert opt_in(world, contact, world.now_ms + 1)

    world.tick()
    said = world.happen(EventKind.UNSUB, email, list_id=MAIN_LIST)
    world.feedback.apply([said])
    # An operator subscribes them before we look: that we were told is all there is.
    world.join(email, MAIN_LIST)
    world.work()

    assert said.at_ms < world.now_ms - 300
    assert world.forced() == []
    assert not mailable(world, email)
    assert blocks(world.contacts()[contact])


def test_who_said_no_is_blocked_in_ghl_although_mailjet_erased_them(
    redis: Redis,
) -> None:
    world = TinyWorld(redis)
    contact, email = world.create(world.emails[0], vip=False), world.emails[0]
    world.edit(contact, **dnd("active"))
    world.full_run()

    world.erase(email)
    world.edit(contact, **dnd("inactive"))
    world.full_run()
    world.sync(contact)

    assert blocks(world.contacts()[contact])
    assert email not in world.people()


@pytest.fixture
def couple(redis: Redis) -> tuple[TinyWorld, str, str, str]:
    """A world with two contacts of one address, of whom the older opted in already."""
    world = TinyWorld(redis)
    email = world.emails[0]
    older, younger = world.create(email, vip=False), world.create(email, vip=True)
    world.full_run()
    world.tick()
    assert opt_in(world, older, world.now_ms + 1)
    world.work()
    world.tick()
    return world, email, older, younger


@pytest.mark.parametrize("is_seen", [True, False], ids=["seen", "unseen"])
def test_what_mailjet_says_of_an_address_each_contact_with_it_has_to_answer(
    couple: tuple[TinyWorld, str, str, str], is_seen: bool
) -> None:
    """Whoever looked at it first, and also where the opt-in is what makes us look."""
    world, email, older, younger = couple
    world.leave(email, MAIN_LIST)
    if is_seen:
        world.sync(younger)
    world.tick()

    assert opt_in(world, younger, world.now_ms + 1)
    world.work()

    assert world.forced() == []
    assert not mailable(world, email)
    assert opt_in(world, older, world.now_ms + 1)
    world.work()
    writes = world.writes()
    for _ in range(2):
        world.full_run()
        world.sync(older)
        world.sync(younger)
    assert mailable(world, email)
    assert not any(map(blocks, world.contacts().values()))
    assert world.writes() == writes
