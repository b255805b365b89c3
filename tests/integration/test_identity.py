"""Addresses: shared, changed, swapped, lost, mended. One test for each README row."""

import pytest

from pipeline.permit import Lane
from tests.driver import dnd
from tests.integration.identity import (
    SHARES,
    Check,
    Table,
    World,
    all_of,
    come_to_rest,
    is_ana,
    is_bo,
    is_no,
    is_off,
    is_out,
)
from tests.sandbox import fresh_email

table = Table()
row = table.row
Told = tuple[str, Check]


@pytest.fixture(params=[Lane.LIVE, Lane.BULK])
def world(request, driver, mailjet, mailjet_list) -> World:
    return World(driver, mailjet, request.param, mailjet_list)


# Shared


@row("two contacts, one address, in another case", SHARES)
def in_another_case(world: World) -> Told:
    email = fresh_email()
    ana, bo = world.two(email, email.upper())
    _, outcome = world.look(ana, bo)
    return outcome, is_ana(world, email)


@row("two contacts, one address, white space around it", SHARES)
def with_white_space(world: World) -> Told:
    email = fresh_email()
    ana, bo = world.two(email, f" {email}\t")
    _, outcome = world.look(ana, bo)
    return outcome, is_ana(world, email)


@row("`ann+news@` beside `ann@`", "created")
def with_a_plus_sign(world: World) -> Told:
    email = fresh_email()
    tagged = email.replace("@", "+news@")
    ana, bo = world.two(email, tagged)
    _, outcome = world.look(ana, bo)
    return outcome, all_of(is_ana(world, email), is_bo(world, tagged))


@row("the older of two with one address arrives later", SHARES)
def the_older_arrives_later(world: World) -> Told:
    email = fresh_email()
    young = {"dateAdded": "2026-02-01T00:00:00.000Z"}
    bo = world.person(email=email, firstName="Bo", **young)
    world.look(bo)
    ana = world.person(email=email)
    world.look(ana)
    [outcome] = world.look(bo)
    return outcome, is_ana(world, email)


@row("the oldest of them is deleted", "deleted in GHL")
def the_oldest_is_deleted(world: World) -> Told:
    ana, bo, email = world.two_of_one()
    world.look(ana, bo)
    world.delete(ana)
    [outcome] = world.look(ana)
    return outcome, is_bo(world, email)


@row("all of them are deleted", "deleted in GHL")
def all_are_deleted(world: World) -> Told:
    ana, bo, email = world.two_of_one()
    world.look(ana, bo)
    world.delete(ana)
    world.delete(bo)
    [outcome] = world.look(ana)

    def check() -> None:
        assert world.mailed(email) is False

    return outcome, check


@row("the oldest of them changes address", "created")
def the_oldest_changes_address(world: World) -> Told:
    ana, bo, email = world.two_of_one()
    world.look(ana, bo)
    new = fresh_email()
    world.edit(ana, email=new)
    [outcome] = world.look(ana)
    return outcome, all_of(is_ana(world, new), is_bo(world, email))


@row("the oldest of them loses the address", "no e-mail")
def the_oldest_loses_the_address(world: World) -> Told:
    ana, bo, email = world.two_of_one()
    world.look(ana, bo)
    world.edit(ana, email="")
    [outcome] = world.look(ana)
    return outcome, is_bo(world, email)


@row("one of them opts out in GHL", "opted out")
def one_opts_out(world: World) -> Told:
    ana, bo, email = world.two_of_one()
    world.look(ana, bo)
    world.edit(bo, **dnd("active"))
    [outcome] = world.look(bo)
    return outcome, is_out(world, email)


@row("one of them opted out and is deleted", "deleted in GHL")
def one_opts_out_and_goes(world: World) -> Told:
    ana, bo, email = world.two_of_one()
    world.edit(ana, **dnd("active"))
    world.look(ana, bo)
    world.delete(ana)
    [outcome] = world.look(ana)
    return outcome, is_out(world, email)


@row("who opted out takes somebody's address", "opted out")
def an_opted_out_one_joins(world: World) -> Told:
    ana, bo = world.two(fresh_email(), fresh_email())
    world.edit(bo, **dnd("active"))
    world.look(ana, bo)
    world.edit(bo, email=ana["email"], **dnd("inactive"))
    [outcome] = world.look(bo)
    return outcome, is_out(world, ana["email"], bo["email"])


# Changed


@row("the address changed", "created")
def changed(world: World) -> Told:
    ana = world.person()
    world.look(ana)
    world.subscriber(
        ana["email"],
        properties={"favourite_dish": "ramen"},
        lists={str(world.other_list): {"unsubscribed": False}},
    )
    new = fresh_email()
    world.edit(ana, email=new)
    [outcome] = world.look(ana)

    def check() -> None:
        assert world.value(new, "favourite_dish") == "ramen"
        assert world.mailed(new, world.other_list) is True

    return outcome, all_of(is_ana(world, new), is_off(world, ana["email"]), check)


@row("the address of somebody who had opted out changed", "opted out")
def changed_by_who_opted_out(world: World) -> Told:
    ana = world.person()
    world.look(ana)
    world.unsubscribe(ana["email"])
    new = fresh_email()
    world.edit(ana, email=new)
    [outcome] = world.look(ana)
    return outcome, all_of(is_out(world, new), is_no(world, ana["email"]))


@row("the address of somebody who had left another list changed", "opted out")
def changed_by_who_left_another_list(world: World) -> Told:
    ana = world.person()
    world.look(ana)
    world.unsubscribe(ana["email"], world.other_list)
    new = fresh_email()
    world.edit(ana, email=new)
    [outcome] = world.look(ana)
    return outcome, all_of(is_out(world, new), is_no(world, ana["email"]))


@row("the new address is in Mailjet already", "created")
def the_new_one_exists(world: World) -> Told:
    ana = world.person()
    world.look(ana)
    world.subscriber(ana["email"], properties={"favourite_dish": "ramen"})
    new = fresh_email()
    world.subscriber(new, properties={"favourite_dish": "pizza", "city": "Faro"})
    world.edit(ana, email=new)
    [outcome] = world.look(ana)

    def check() -> None:
        assert world.value(new, "favourite_dish") == "pizza"
        assert world.value(new, "city") == "Porto"

    return outcome, all_of(is_ana(world, new), is_off(world, ana["email"]), check)


@row("the new address has said no in Mailjet", "opted out")
def the_new_one_said_no(world: World) -> Told:
    ana = world.person()
    world.look(ana)
    new = fresh_email()
    world.unsubscribe(new, world.other_list)
    world.edit(ana, email=new)
    [outcome] = world.look(ana)
    return outcome, all_of(is_out(world, new), is_off(world, ana["email"]))


@row("the new address is that of an older contact", SHARES)
def the_new_one_is_an_olders(world: World) -> Told:
    ana, bo = world.two(fresh_email(), fresh_email())
    world.look(ana, bo)
    world.edit(bo, email=ana["email"])
    [outcome] = world.look(bo)
    return outcome, all_of(is_ana(world, ana["email"]), is_off(world, bo["email"]))


@row("the new address is that of a younger contact", "created")
def the_new_one_is_a_youngers(world: World) -> Told:
    ana, bo = world.two(fresh_email(), fresh_email())
    world.look(ana, bo)
    world.edit(ana, email=bo["email"])
    [outcome] = world.look(ana)
    return outcome, all_of(is_ana(world, bo["email"]), is_off(world, ana["email"]))


@row("two contacts swap addresses", SHARES)
def swapped(world: World) -> Told:
    ana, bo = world.two(fresh_email(), fresh_email())
    world.look(ana, bo)
    world.edit(ana, email=bo["email"])
    world.edit(bo, email=ana["email"])
    outcome, _ = world.look(bo, ana)
    return outcome, all_of(is_bo(world, ana["email"]), is_ana(world, bo["email"]))


@row("the address changed and came back", "created")
def came_back(world: World) -> Told:
    ana = world.person()
    world.look(ana)
    new = fresh_email()
    world.edit(ana, email=new)
    world.look(ana)
    world.edit(ana, email=ana["email"])
    [outcome] = world.look(ana)
    return outcome, all_of(is_ana(world, ana["email"]), is_off(world, new))


@row("the address changed twice before we looked", "created")
def changed_twice(world: World) -> Told:
    ana = world.person()
    world.look(ana)
    never, new = fresh_email(), fresh_email()
    world.edit(ana, email=never)
    world.edit(ana, email=new)
    [outcome] = world.look(ana)

    def check() -> None:
        assert not world.exists(never)

    return outcome, all_of(is_ana(world, new), is_off(world, ana["email"]), check)


# None, or none that works


@row("no e-mail, and one later", "created")
def one_later(world: World) -> Told:
    ana = world.person(email="")
    assert world.look(ana) == ["no e-mail"]
    new = fresh_email()
    world.edit(ana, email=new)
    [outcome] = world.look(ana)
    return outcome, is_ana(world, new)


@row("the e-mail is removed in GHL", "no e-mail")
def removed(world: World) -> Told:
    ana = world.person()
    world.look(ana)
    world.edit(ana, email="")
    [outcome] = world.look(ana)
    return outcome, is_off(world, ana["email"])


@row("the e-mail of somebody excluded is removed, and another comes", "opted out")
def removed_while_excluded(world: World) -> Told:
    ana = world.person()
    world.look(ana)
    world.subscriber(ana["email"], excluded=True)
    world.edit(ana, email="")
    world.look(ana)
    world.look(ana)
    new = fresh_email()
    world.edit(ana, email=new)
    [outcome] = world.look(ana)

    def check() -> None:
        assert world.driver.subscriber(new)["excluded"]

    return outcome, all_of(is_out(world, new), check)


@row("an invalid e-mail is mended", "created")
def mended(world: World) -> Told:
    ana = world.person(email="ana@@example.com")
    assert world.look(ana) == ["invalid e-mail"]
    new = fresh_email()
    world.edit(ana, email=new)
    [outcome] = world.look(ana)
    return outcome, is_ana(world, new)


@pytest.mark.parametrize("name", table.rows)
def test_identity(world, name):
    come_to_rest(world, table.rows[name])
