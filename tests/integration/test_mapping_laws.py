"""Rows of every direction and owner, edited on both sides at random.

What comes of it is told by an oracle that knows the README's words and not the code:
the value that moved is carried, the owner's where both did, and nothing is wiped where
the row does not say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from pipeline.sync.fields import Custom, Direction, Owner, Row
from tests.builders import CORE_FIELDS, make_contact, make_field_map, make_policy
from tests.integration.tiny_pipeline import TinyPipeline
from tests.tiny_vendors import TinyGhl, TinyMailjet

EMAIL = "ann@example.com"
MAIN, READERS = 10, 40
PLAN = Custom("plan-id", "TEXT")
TEXTS = ("", "a", "b", "c")
FLAGS = ("", "yes")
PLACES = {
    "city": ("city", "city", "str", TEXTS),
    "plan": ("contact.plan", "plan", "str", TEXTS),
    "lead": ("tag:lead", "is_lead", "bool", FLAGS),
    "reader": ("tag:reader", f"list:{READERS}", "str", FLAGS),
}


def rows_of(place: str) -> st.SearchStrategy[Row]:
    ghl, column, datatype, _ = PLACES[place]
    directions = list(Direction)
    if place == "reader":
        # Who is on a list that only follows a tag is in no page.
        directions.remove(Direction.TO_MAILJET)
    return st.builds(
        Row,
        st.just(ghl),
        st.just(column),
        st.just(datatype),
        st.sampled_from(directions),
        st.sampled_from([Owner.GHL, Owner.MAILJET]),
        clears=st.just(False) if ghl.startswith("tag:") else st.booleans(),
    )


EDITS = st.sampled_from(
    [
        (place, side, value)
        for place, (*_, values) in PLACES.items()
        for side in ("ghl", "mailjet")
        for value in values
    ]
)
STEPS = st.lists(
    st.tuples(st.lists(EDITS, max_size=5), st.sampled_from(["run", "sync", "lost"])),
    min_size=1,
    max_size=6,
)


@dataclass
class Oracle:
    """One row: both values, and both as they were after the last sync."""

    row: Row
    ghl: str = ""
    mailjet: str = ""
    then: tuple[str, str] | None = None
    wiped: bool = False

    def sync(self) -> None:
        before = self.ghl, self.mailjet
        match self.row.direction:
            case Direction.TO_MAILJET:
                if self.ghl or self._clears:
                    self.mailjet = self.ghl
            case Direction.TO_GHL:
                if self.mailjet or (self._clears and self._moved):
                    self.ghl = self.mailjet
            case Direction.BOTH:
                self._meet()
        self.then = self.ghl, self.mailjet
        self.wiped = (bool(before[0]) > bool(self.ghl)) or (
            bool(before[1]) > bool(self.mailjet)
        )

    @property
    def _clears(self) -> bool:
        return self.row.clears or self.row.ghl.startswith("tag:")

    @property
    def _moved(self) -> bool:
        return self.then is not None and self.then != (self.ghl, self.mailjet)

    def _meet(self) -> None:
        if self.ghl == self.mailjet:
            return
        if self.then is None:
            first = self.mailjet if self.row.owner is Owner.MAILJET else self.ghl
            self.ghl = self.mailjet = first or self.ghl or self.mailjet
            return
        in_ghl, in_mailjet = self.ghl != self.then[0], self.mailjet != self.then[1]
        wins = in_mailjet and (self.row.owner is Owner.MAILJET or not in_ghl)
        if in_ghl and in_mailjet and not self._clears:
            wins = bool(self.mailjet) and (wins or not self.ghl)
        value = self.mailjet if wins else self.ghl
        if (in_ghl or in_mailjet) and (value or self._clears):
            self.ghl = self.mailjet = value


@dataclass
class World:
    """Ann on both sides, under a mapping."""

    redis: Redis
    rows: Mapping[str, Row]
    ghl: TinyGhl = field(default_factory=TinyGhl)
    mailjet: TinyMailjet = field(default_factory=TinyMailjet)

    def __post_init__(self) -> None:
        self.redis.flushall()
        values = {**dict.fromkeys(CORE_FIELDS, ""), "firstName": "Ann"}
        ann = make_contact(
            id="ann", email=EMAIL, values=values, tags=(), custom_fields={}
        )
        self.ghl.contacts["ann"] = replace(ann, dnd=False, dnd_settings={})
        field_map = make_field_map(
            *self.rows.values(),
            tag_lists={},
            list_id=MAIN,
            custom={"contact.plan": PLAN},
        )
        policy = make_policy(list_id=MAIN, field_map=field_map)
        self.mailjet.defined |= set(field_map.properties)
        self.pipeline = TinyPipeline(self.redis, self.ghl, self.mailjet, policy)
        self.person = self.mailjet.person(EMAIL)
        self.pipeline.read_optouts()

    def edit(self, place: str, side: str, value: str) -> None:
        (self._in_ghl if side == "ghl" else self._in_mailjet)(place, value)

    def _in_ghl(self, place: str, value: str) -> None:
        ann = self.ghl.contacts["ann"]
        match place:
            case "city":
                ann = replace(ann, values={**ann.values, "city": value})
            case "plan":
                kept = {PLAN.id: value} if value else {}
                ann = replace(ann, custom_fields=kept)
            case tag:
                others = [one for one in ann.tags or () if one != tag]
                ann = replace(ann, tags=(*others, tag) if value else tuple(others))
        self.ghl.contacts["ann"] = ann

    def _in_mailjet(self, place: str, value: str) -> None:
        if place == "reader":
            self.person.unsubscribed.pop(READERS, None)
            if value:
                self.person.unsubscribed[READERS] = False
        else:
            held = bool(value) if place == "lead" else value
            self.person.properties[PLACES[place][1]] = held

    def held(self, place: str) -> tuple[str, str]:
        """Both sides of a place, in the oracle's words."""
        ann, properties = self.ghl.contacts["ann"], self.person.properties
        match place:
            case "city":
                return ann.values["city"], str(properties.get("city") or "")
            case "plan":
                own = (ann.custom_fields or {}).get(PLAN.id)
                return str(own or ""), str(properties.get("plan") or "")
            case "lead":
                there = bool(properties.get("is_lead"))
            case _:
                there = self.person.unsubscribed.get(READERS) is False
        return "yes" * (place in (ann.tags or ())), "yes" * there

    def settle(self, how: str) -> None:
        if how == "lost":
            self.pipeline.forget()
        if how == "sync":
            self.pipeline.sync("ann")
        else:
            self.pipeline.full_run()

    @property
    def writes(self) -> int:
        return self.ghl.writes + self.mailjet.writes


@given(
    rows=st.fixed_dictionaries({place: rows_of(place) for place in PLACES}),
    steps=STEPS,
)
@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_what_moved_is_carried_the_owner_wins_and_null_wipes_only_where_it_may(
    redis: Redis, rows: dict[str, Row], steps: list
) -> None:
    world = World(redis, rows)
    oracles = {place: Oracle(row) for place, row in rows.items()}

    for edits, how in steps:
        for place, side, value in edits:
            world.edit(place, side, value)
            setattr(oracles[place], side, value)
        for oracle in oracles.values():
            if how == "lost":
                oracle.then = None
            oracle.sync()
        world.settle(how)

        for place, oracle in oracles.items():
            assert world.held(place) == (oracle.ghl, oracle.mailjet), place
            assert not oracle.wiped or oracle._clears
        before = world.writes
        world.pipeline.full_run()
        assert world.writes == before, "a second run wrote something"
