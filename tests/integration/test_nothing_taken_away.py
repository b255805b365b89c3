"""What a mapping for both ways must not take away: one small world for each case."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from redis import Redis

from pipeline.store.consents import Consents
from pipeline.sync import consent
from pipeline.sync.contact import Contact, Subscriber
from pipeline.sync.fields import Custom, Direction, Owner, Row
from pipeline.sync.newcomers import values_of
from tests.builders import (
    CORE_FIELDS,
    EMAIL,
    make_contact,
    make_field_map,
    make_policy,
)
from tests.integration.tiny_pipeline import CONNECTION, TinyPipeline
from tests.tiny_vendors import NOW_MS, TinyGhl, TinyMailjet

BOTH, TO_GHL = Direction.BOTH, Direction.TO_GHL
MAIN, READERS = 10, 40
NO_IN_GHL = {"Email": {"status": "active", "message": "", "code": ""}}
CITY = Row("city", "city", direction=BOTH, transforms=(("default", "unknown"),))


class World:
    """Ann on both sides, under these rows."""

    def __init__(self, redis: Redis, *rows: Row, ghl: TinyGhl | None = None) -> None:
        self.ghl, self.mailjet = ghl or TinyGhl(), TinyMailjet()
        values = {**dict.fromkeys(CORE_FIELDS, ""), "firstName": "Ann"}
        ann = make_contact(id="ann", values=values, tags=(), custom_fields={})
        self.ghl.contacts["ann"] = replace(ann, dnd=False, dnd_settings={})
        self.person = self.mailjet.person(EMAIL)
        self.pipeline = TinyPipeline(redis, self.ghl, self.mailjet, make_policy())
        self.map(*rows)
        self.pipeline.read_optouts()

    def map(self, *rows: Row) -> None:
        """Set up with these rows."""
        custom = {r.ghl: Custom(r.ghl, "TEXT") for r in rows if r.is_custom}
        field_map = make_field_map(*rows, tag_lists={}, list_id=MAIN, custom=custom)
        self.mailjet.defined |= set(field_map.properties)
        self.pipeline.policy = make_policy(list_id=MAIN, field_map=field_map)

    def put(self, **values: str) -> None:
        ann = self.ghl.contacts["ann"]
        self.edit(values={**ann.values, **values})

    def edit(self, **fields: object) -> None:
        self.ghl.contacts["ann"] = replace(self.ghl.contacts["ann"], **fields)

    @property
    def tags(self) -> tuple[str, ...]:
        return self.ghl.contacts["ann"].tags or ()

    def held(self, name: str) -> tuple[object, object]:
        """A field and the property of the same name."""
        values = self.ghl.contacts["ann"].values
        return values[name], self.person.properties.get(name)

    def run(self) -> None:
        """A full run, after which another has nothing to write."""
        self.pipeline.full_run()
        before = self.ghl.writes + self.mailjet.writes
        self.pipeline.full_run()
        assert self.ghl.writes + self.mailjet.writes == before


def no_in_ghl(world: World) -> None:
    world.edit(dnd_settings=NO_IN_GHL)


def no_in_mailjet(world: World) -> None:
    world.person.unsubscribed[MAIN] = True


@pytest.mark.parametrize("say_no", [no_in_ghl, no_in_mailjet])
def test_an_opt_in_finds_the_tags_of_the_lists_that_an_opt_out_left(
    redis: Redis, say_no: Callable[[World], None]
) -> None:
    world = World(redis, Row("tag:reader", f"list:{READERS}", "bool", BOTH))
    world.edit(tags=("reader",))
    world.run()
    say_no(world)
    world.pipeline.sync("ann")
    assert world.person.unsubscribed == {MAIN: True, READERS: True}

    consents = Consents(redis, CONNECTION)
    opted_in = consent.opted_in(consents.own("ann"), NOW_MS + 1, "form 1234")
    consents.replace("ann", opted_in)
    world.pipeline.sync("ann")

    assert "reader" in world.tags
    assert world.person.unsubscribed == {MAIN: False, READERS: False}
    world.run()


def test_a_value_that_mailjets_type_cannot_hold_is_not_an_empty_one(
    redis: Redis,
) -> None:
    world = World(redis, Row("postalCode", "zip", "int", BOTH))
    world.put(postalCode="4000-123")
    world.person.properties["zip"] = 4000

    world.pipeline.sync("ann")

    assert world.ghl.contacts["ann"].values["postalCode"] == "4000-123"


@pytest.mark.parametrize("owner", list(Owner))
def test_a_default_for_an_empty_field_fills_and_wipes_nothing(
    redis: Redis, owner: Owner
) -> None:
    world = World(redis, replace(CITY, owner=owner))
    world.run()
    assert world.held("city") == ("", "unknown")

    world.person.properties["city"] = "Faro"
    world.pipeline.forget()
    world.run()
    assert world.held("city") == ("Faro", "Faro")

    world.put(city="")
    world.run()
    assert world.held("city") == ("", "Faro")

    world.put(city="Porto")
    world.run()
    world.person.properties["city"] = "unknown"
    world.run()
    assert world.held("city")[0] == "Porto"


def test_another_tag_for_a_list_takes_nobody_off_it(redis: Redis) -> None:
    world = World(redis, Row("tag:vip", f"list:{READERS}", "bool", BOTH))
    world.edit(tags=("vip",))
    world.run()

    world.map(Row("tag:gold", f"list:{READERS}", "bool", BOTH))
    world.run()

    assert world.person.unsubscribed[READERS] is False
    assert set(world.tags) == {"vip", "gold"}


def test_what_only_leads_to_ghl_goes_along_to_another_address(redis: Redis) -> None:
    world = World(redis, Row("website", "site", direction=TO_GHL))
    world.person.properties["site"] = "https://example.com"
    world.run()

    world.edit(email="new@example.com")
    world.run()

    held = world.mailjet.read("new@example.com").properties or {}
    assert held["site"] == "https://example.com"


class NormalisingGhl(TinyGhl):
    """Writes telephone numbers in its own way, as GHL does."""

    def update_contact(
        self, contact_id: str, values: Mapping[str, object]
    ) -> Contact | None:
        held = dict(values)
        if phone := held.get("phone"):
            held["phone"] = f"+351{str(phone).replace(' ', '')[-9:]}"
        return super().update_contact(contact_id, held)


@pytest.mark.parametrize("direction", [BOTH, TO_GHL])
def test_a_number_that_ghl_writes_in_its_own_way_stays_mailjets(
    redis: Redis, direction: Direction
) -> None:
    row = Row("phone", "phone", direction=direction, owner=Owner.MAILJET)
    world = World(redis, row, ghl=NormalisingGhl())
    world.person.properties["phone"] = "210 000 000"

    world.run()

    assert world.held("phone") == ("+351210000000", "210 000 000")


def test_a_date_in_unix_seconds_is_a_date_in_ghl(redis: Redis) -> None:
    world = World(redis, Row("contact.at", "at", "datetime", BOTH))
    world.person.properties["at"] = 1_795_449_600

    world.run()

    custom = world.ghl.contacts["ann"].custom_fields
    assert custom == {"contact.at": "2026-11-23T16:00:00Z"}


def test_a_newcomer_brings_no_custom_field_that_no_setup_has_found() -> None:
    field_map = make_field_map(Row("contact.plan", "plan", direction=BOTH))
    newcomer = Subscriber(1, EMAIL, properties={"plan": "x"}, unsubscribed={})

    assert "customFields" not in values_of(newcomer, field_map)
