"""Contacts made anew, merged, deleted; people whom Mailjet had before, or has no more.

As `test_identity.py`: one test for each row of the README's table.
"""

import pytest

from pipeline.permit import Lane
from tests.driver import dnd
from tests.integration.identity import (
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


# Deleted and merged in GHL


@row("a contact is deleted in GHL", "deleted in GHL")
def deleted(world: World) -> Told:
    ana = world.person()
    world.look(ana)
    world.delete(ana)
    [outcome] = world.look(ana)
    return outcome, is_no(world, ana["email"])


@row("it is made anew under another id before we looked", "deleted in GHL")
def made_anew(world: World) -> Told:
    email = fresh_email()
    ana = world.person(email=email)
    world.look(ana)
    world.delete(ana)
    world.person(email=email, firstName="Bo")
    [outcome] = world.look(ana)
    return outcome, is_bo(world, email)


@row("it is made anew after it was unsubscribed", "opted out")
def made_anew_later(world: World) -> Told:
    email = fresh_email()
    ana = world.person(email=email)
    world.look(ana)
    world.delete(ana)
    world.look(ana)
    again = world.person(email=email)
    [outcome] = world.look(again)
    return outcome, is_out(world, email)


@row("merged in GHL, the winner keeps its address", "deleted in GHL")
def merged(world: World) -> Told:
    ana, bo = world.two(fresh_email(), fresh_email())
    world.look(ana, bo)
    world.delete(bo)
    world.edit(ana, additionalEmails=[{"email": bo["email"]}])
    [outcome, _] = world.look(bo, ana)
    return outcome, all_of(is_ana(world, ana["email"]), is_no(world, bo["email"]))


@row("merged in GHL, the winner takes the loser's address", "deleted in GHL")
def merged_and_moved(world: World) -> Told:
    ana, bo = world.two(fresh_email(), fresh_email())
    world.look(ana, bo)
    world.delete(bo)
    world.edit(ana, email=bo["email"])
    [outcome] = world.look(bo)
    return outcome, all_of(is_ana(world, bo["email"]), is_off(world, ana["email"]))


@row("merged in GHL, and the loser had opted out", "opted out")
def merged_with_an_opted_out_one(world: World) -> Told:
    ana, bo = world.two(fresh_email(), fresh_email())
    world.edit(bo, **dnd("active"))
    world.look(ana, bo)
    world.delete(bo)
    world.edit(ana, email=bo["email"])
    [outcome, _] = world.look(ana, bo)
    return outcome, all_of(is_out(world, bo["email"]), is_off(world, ana["email"]))


# In Mailjet before


@row("in Mailjet before, with a name, properties and lists", "created")
def there_before(world: World) -> Told:
    email = fresh_email()
    world.subscriber(
        email,
        name="A. Old Name",
        properties={"favourite_dish": "ramen", "city": "Faro"},
        lists={str(world.other_list): {"unsubscribed": False}},
    )
    mailjet_id = world.driver.subscriber(email)["id"]
    [outcome] = world.look(world.person(email=email))

    def check() -> None:
        assert world.driver.subscriber(email)["id"] == mailjet_id
        assert world.value(email, "favourite_dish") == "ramen"
        assert world.value(email, "city") == "Porto"
        assert world.mailed(email, world.other_list) is True

    return outcome, all_of(is_ana(world, email), check)


@row("in Mailjet before, on no list", "created")
def there_before_on_no_list(world: World) -> Told:
    email = fresh_email()
    world.subscriber(email)
    [outcome] = world.look(world.person(email=email))
    return outcome, is_ana(world, email)


@row("in Mailjet before, unsubscribed from our list", "opted out")
def unsubscribed_before(world: World) -> Told:
    email = fresh_email()
    world.unsubscribe(email)
    [outcome] = world.look(world.person(email=email))
    return outcome, is_out(world, email)


@row("in Mailjet before, unsubscribed from another list", "opted out")
def unsubscribed_elsewhere_before(world: World) -> Told:
    email = fresh_email()
    world.unsubscribe(email, world.other_list)
    [outcome] = world.look(world.person(email=email))
    return outcome, is_out(world, email)


@row("in Mailjet before, excluded from campaigns", "opted out")
def excluded_before(world: World) -> Told:
    email = fresh_email()
    world.subscriber(email, excluded=True)
    [outcome] = world.look(world.person(email=email))

    def check() -> None:
        assert world.driver.subscriber(email)["excluded"]

    return outcome, all_of(is_out(world, email), check)


@row("in Mailjet before, complained of spam", "opted out")
def complained_before(world: World) -> Told:
    email = fresh_email()
    world.subscriber(email, complained=True)
    [outcome] = world.look(world.person(email=email))

    def check() -> None:
        assert world.value(email, "ghl_email_status") == "complained"

    return outcome, all_of(is_no(world, email), check)


# Changed by an operator in Mailjet


@row("deleted in Mailjet while in GHL", "deleted in Mailjet")
def erased(world: World) -> Told:
    ana = world.person()
    world.look(ana)
    world.erase(ana["email"])
    world.edit(ana, city="Braga")
    [outcome] = world.look(ana)

    def check() -> None:
        assert not world.exists(ana["email"])

    return outcome, check


@row("deleted in Mailjet, and back there by itself", "updated")
def erased_and_back(world: World) -> Told:
    ana = world.person()
    world.look(ana)
    world.erase(ana["email"])
    world.edit(ana, city="Braga")
    world.look(ana)
    place = {str(world.other_list): {"unsubscribed": False}}
    world.subscriber(ana["email"], lists=place)
    [outcome] = world.look(ana)

    def check() -> None:
        assert world.value(ana["email"], "city") == "Braga"
        assert world.mailed(ana["email"], world.other_list) is True

    return outcome, all_of(is_off(world, ana["email"]), check)


@row("deleted in Mailjet, then another address in GHL", "created")
def erased_and_changed(world: World) -> Told:
    ana = world.person()
    world.look(ana)
    world.erase(ana["email"])
    new = fresh_email()
    world.edit(ana, email=new)
    [outcome] = world.look(ana)

    def check() -> None:
        assert not world.exists(ana["email"])

    return outcome, all_of(is_ana(world, new), check)


@row("deleted in Mailjet and in GHL", "deleted in GHL")
def erased_and_deleted(world: World) -> Told:
    ana = world.person()
    world.look(ana)
    mailjet_id = world.driver.subscriber(ana["email"])["id"]
    world.erase(ana["email"])
    world.delete(ana)
    [outcome] = world.look(ana)

    def check() -> None:
        [left] = [
            s for s in world.driver.sandbox.subscribers() if s["id"] == mailjet_id
        ]
        assert left["lists"] == {}
        assert not world.exists(ana["email"])

    return outcome, check


@row("taken off our list by an operator, changed in GHL", "updated")
def taken_off(world: World) -> Told:
    ana = world.person()
    world.look(ana)
    world.subscriber(ana["email"], lists={world.driver.list_id: None})
    world.edit(ana, firstName="Anna", city="Braga")
    [outcome] = world.look(ana)

    def check() -> None:
        assert world.name(ana["email"]) == "Anna Simões"
        assert world.value(ana["email"], "city") == "Braga"

    return outcome, all_of(is_off(world, ana["email"]), check)


# Opted out


@row("opted out in GHL before the first sync", "opted out")
def opted_out_before(world: World) -> Told:
    ana = world.person(**dnd("active"))
    [outcome] = world.look(ana)

    def check() -> None:
        assert world.driver.subscriber(ana["email"])["excluded"]

    return outcome, all_of(is_out(world, ana["email"]), check)


@row("opted out in GHL, and the flag is cleared", "opted out")
def cleared(world: World) -> Told:
    ana = world.person(**dnd("active"))
    world.look(ana)
    world.edit(ana, dnd=False, **dnd("inactive"))
    [outcome] = world.look(ana)
    return outcome, is_out(world, ana["email"])


@row("unsubscribed in Mailjet after the first sync", "opted out")
def unsubscribed_later(world: World) -> Told:
    ana = world.person()
    world.look(ana)
    world.unsubscribe(ana["email"], world.other_list)
    [outcome] = world.look(ana)
    return outcome, is_out(world, ana["email"])


@pytest.mark.parametrize("name", table.rows)
def test_identity(world, name):
    come_to_rest(world, table.rows[name])


# With `SYNC_OPTOUT_SCOPE=list`


@pytest.mark.parametrize("lane", [Lane.LIVE, Lane.BULK])
@pytest.mark.parametrize("left", ["ours", "tag", "another"])
def test_identity_with_the_scope_of_a_list(
    build_driver, mailjet, mailjet_list, lane, left
):
    answer = mailjet.call("POST", "contactslist", {"Name": fresh_email()})
    other_list = int(answer.json()["Data"][0]["ID"])
    driver = build_driver(
        SYNC_OPTOUT_SCOPE="list", SYNC_TAG_LISTS=f"vip={mailjet_list}"
    )
    driver.setup()
    world = World(driver, mailjet, lane, other_list)
    ana = world.person(tags=["vip"])
    world.look(ana)
    lists = {"ours": driver.list_id, "tag": mailjet_list, "another": other_list}
    world.unsubscribe(ana["email"], lists[left])

    outcomes = [world.look(ana) for _ in range(2)]
    driver.full_run()
    driver.sandbox.clear_log()
    outcomes += [world.look(ana), [driver.sync(ana["id"])]]

    first = "unchanged" if left == "another" else "opted out"
    still_mailed = left == "another"
    assert outcomes == [[first], *[["unchanged"]] * 3]
    assert world.mailed(ana["email"]) is still_mailed
    assert world.mailed(ana["email"], mailjet_list) is still_mailed
    assert world.mailed(ana["email"], other_list) is (None, False)[still_mailed]
    assert driver.writes() == []
