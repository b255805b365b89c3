"""`setup` makes what is missing, once; `check` says what is wrong and what to do."""

import pytest

from pipeline import runs, setup
from pipeline.check import PROBE_TRIES, Finding, Level, check, probe
from pipeline.errors import ConfigError, NotFound, ReadOnly, Unauthorized
from pipeline.permit import Lane
from pipeline.sync.history import HISTORIC
from pipeline.sync.mapping import CONTACT_ID
from tests.builders import make_field_map
from tests.troubles import DEAD_TOKEN

PROPERTY = "mailjet POST /v3/REST/contactmetadata"
LIST = "mailjet POST /v3/REST/contactslist"
STATIC = make_field_map().properties


@pytest.fixture(autouse=True)
def bare_account(sandbox, mailjet) -> None:
    """Mailjet as it is before anybody set it up."""
    for name in (*STATIC, *HISTORIC):
        mailjet.call("DELETE", f"contactmetadata/{name}")
    sandbox.clear_log()


def findings(driver) -> list[Finding]:
    return list(check(driver.pipeline, driver.kit))


def problems(driver, level: Level = Level.FAILURE) -> str:
    """What `check` has to say of that level, in one text."""
    return "\n".join(
        f"{finding.what}: {finding.mend}"
        for finding in findings(driver)
        if finding.level is level
    )


# setup


def test_setup_creates_every_property_and_changes_no_contact(build_driver, mailjet):
    driver = build_driver()
    driver.person()
    before = driver.sandbox.subscribers()

    setup.run(driver.kit)

    rows = mailjet.rows("contactmetadata", Limit=1000)
    known = {row["Name"]: row["Datatype"] for row in rows}
    assert STATIC.items() <= known.items()
    assert set(driver.writes()) == {PROPERTY}
    assert driver.sandbox.subscribers() == before


def test_setup_twice_creates_nothing_and_keeps_the_key(build_driver):
    driver = build_driver()
    first = setup.run(driver.kit)
    driver.sandbox.clear_log()

    second = setup.run(driver.kit)

    assert driver.writes() == []
    assert (second.key, second.list_id) == (first.key, first.list_id)


def test_setup_creates_only_the_property_that_is_missing(build_driver, mailjet):
    driver = build_driver()
    driver.setup()
    mailjet.call("DELETE", "contactmetadata/city")
    driver.sandbox.clear_log()

    setup.run(driver.kit)

    assert driver.writes() == [PROPERTY]


def test_setup_tells_each_step(build_driver):
    driver = build_driver()
    lines: list[str] = []

    setup.run(driver.kit, lines.append)

    told = "\n".join(lines)
    for word in ("GHL location", "Mailjet list", "city: created", "Opted out"):
        assert word in told


def test_a_configured_list_that_mailjet_lacks_is_reported(build_driver):
    driver = build_driver(MAILJET_LIST_ID="999999")

    with pytest.raises(ConfigError, match="999999"):
        setup.run(driver.kit)
    assert driver.kit.setup.read() is None
    assert driver.writes() == []


def test_without_a_configured_list_one_is_made_once(build_driver):
    driver = build_driver(MAILJET_LIST_ID="")
    first = setup.run(driver.kit)
    made = driver.writes().count(LIST)
    second = setup.run(driver.kit)

    assert made == driver.writes().count(LIST) == 1
    assert first.list_id == second.list_id


def test_a_property_of_another_datatype_is_reported_and_left_alone(
    build_driver, mailjet
):
    driver = build_driver()
    wrong = {"Name": "city", "Datatype": "int", "NameSpace": "static"}
    mailjet.call("POST", "contactmetadata", wrong)
    driver.sandbox.clear_log()

    with pytest.raises(ConfigError, match="'city': is of type int, must be str"):
        setup.run(driver.kit)
    assert driver.writes() == []
    assert driver.kit.setup.read() is None


@pytest.mark.parametrize("variable", ["GHL_TOKEN", "MAILJET_API_KEY"])
def test_a_wrong_credential_ends_setup(build_driver, variable):
    driver = build_driver(**{variable: "wrong"})

    with pytest.raises(Unauthorized):
        setup.run(driver.kit)
    assert driver.kit.setup.read() is None


def test_a_token_without_the_scope_for_the_location_sets_up_all_the_same(build_driver):
    driver = build_driver()
    driver.sandbox.add_fault("scope_missing", route="/locations/:locationId")

    record = setup.run(driver.kit)

    assert record.timezone == "UTC"


@pytest.fixture
def without_search(build_driver):
    """A connection that is set up with a token that may do all but search."""
    driver = build_driver()
    driver.sandbox.add_fault("scope_missing", vendor="ghl", route="/contacts/search")
    lines: list[str] = []
    setup.run(driver.kit, lines.append)
    assert any("GHL search is refused to this token" in line for line in lines)
    return driver


def test_a_token_without_the_scope_for_search_syncs_all_the_same(without_search):
    driver = without_search
    ana, bo = driver.person(), driver.person(dnd=True)

    run = driver.full_run()

    assert not driver.kit.record().optout_filter
    assert run.outcomes == {"created": 1, "opted out": 1}
    assert driver.on_list(ana["email"])
    assert driver.on_list(bo["email"]) is False
    assert driver.kit.health.paused() is None


def test_without_search_the_look_for_changes_pauses_nothing(without_search):
    driver = without_search
    runs.start_run(driver.kit)

    found = runs.discover(driver.kit, lambda discovery: discovery.changes())

    assert found == 0
    assert driver.kit.health.paused() is None


def test_check_tells_what_is_lost_without_search(without_search):
    said = problems(without_search, Level.WARNING)

    assert problems(without_search) == ""
    assert "each contact will be read singly" in said
    assert "changes in GHL show at the next full run" in said


def test_a_token_that_dies_before_search_still_ends_setup(build_driver):
    driver = build_driver()
    driver.sandbox.add_fault("token_revoked", route="/contacts/search")

    with pytest.raises(Unauthorized):
        setup.run(driver.kit)


def test_setup_in_read_only_creates_nothing(build_driver):
    driver = build_driver(SYNC_MODE="read-only")

    with pytest.raises(ReadOnly):
        setup.run(driver.kit)
    assert driver.writes() == []
    assert driver.kit.setup.read() is None


def test_setup_in_read_only_succeeds_where_nothing_is_missing(build_driver):
    build_driver().setup()
    driver = build_driver(SYNC_MODE="read-only")

    setup.run(driver.kit)

    assert driver.writes() == []


# Before and after


def test_nothing_is_written_before_setup(build_driver):
    driver = build_driver()
    ana = driver.person()

    with pytest.raises(ConfigError, match="setup"):
        runs.start_run(driver.kit)
    outcome = driver.sync(ana["id"])
    discovered = runs.discover(driver.kit, lambda discovery: discovery.changes())

    assert outcome == "not set up"
    assert discovered is None
    assert driver.sandbox.log() == []


def test_a_failed_setup_gives_no_right_to_write(build_driver):
    driver = build_driver(MAILJET_LIST_ID="999999")

    with pytest.raises(ConfigError):
        setup.run(driver.kit)
    with pytest.raises(ConfigError, match="setup"):
        runs.start_run(driver.kit)


def test_a_connection_whose_state_was_lost_is_restored(build_driver, redis):
    before = build_driver()
    ana = before.person()
    before.setup()
    before.full_run()
    place = {before.list_id: {"unsubscribed": True}}
    before.sandbox.put_subscriber(email=ana["email"], lists=place)
    redis.flushall()

    driver = build_driver()
    restored = setup.restore(driver.kit)
    driver.sandbox.clear_log()
    run = driver.full_run()

    assert restored
    assert run.outcomes == {"opted out": 1}
    assert driver.on_list(ana["email"]) is False
    assert run.discovered == 1


def test_who_worked_before_the_loss_goes_by_what_was_restored(
    build_driver, mailjet_list, redis
):
    before, after = build_driver(), build_driver()
    ana = before.person()
    place = {str(mailjet_list): {"unsubscribed": True}}
    before.sandbox.put_subscriber(email=ana["email"], lists=place)
    before.setup()
    runs.start_run(before.kit)
    redis.delete(*redis.keys("gm:default:*"))
    setup.restore(after.kit)

    outcome = before.sync(ana["id"], Lane.BULK)

    assert outcome == "opted out"
    assert before.on_list(ana["email"]) is False


def test_an_account_that_was_never_set_up_is_not_restored(build_driver):
    driver = build_driver()

    assert not setup.restore(driver.kit)
    assert driver.writes() == []
    assert driver.kit.setup.read() is None


def test_half_an_account_is_left_to_the_operator(build_driver, mailjet):
    driver = build_driver()
    one = {"Name": CONTACT_ID, "Datatype": "str", "NameSpace": "static"}
    mailjet.call("POST", "contactmetadata", one)
    driver.sandbox.clear_log()

    assert not setup.restore(driver.kit)
    assert driver.writes() == []


def test_read_only_restores_nothing(build_driver, redis):
    build_driver().setup()
    redis.delete("gm:default:setup")
    driver = build_driver(SYNC_MODE="read-only")

    assert not setup.restore(driver.kit)


# check


def test_check_of_a_connection_that_is_set_up_finds_no_failure(build_driver):
    driver = build_driver()
    driver.setup()

    assert problems(driver) == ""


def test_check_writes_nothing(build_driver):
    driver = build_driver()

    findings(driver)

    assert driver.writes() == []


def test_check_before_setup_says_what_to_do(build_driver):
    said = problems(build_driver())

    assert "not set up: run `ghl-mailjet setup`" in said
    assert f"lacks {len(STATIC)} properties" in said


def test_check_names_the_one_property_that_mailjet_lacks(build_driver):
    build_driver().setup()

    driver = build_driver(SYNC_NOTE_EXCERPT="true")

    assert "Mailjet lacks the property ghl_last_note" in problems(driver)


def test_check_names_a_wrong_token(build_driver):
    driver = build_driver(GHL_TOKEN="wrong")

    assert "GHL contacts" in problems(driver)
    assert "Private Integrations" in problems(driver)


def test_check_names_a_wrong_key(build_driver):
    driver = build_driver(MAILJET_SECRET_KEY="wrong")

    assert "Mailjet credentials" in problems(driver)


def test_check_names_a_list_that_mailjet_lacks(build_driver):
    driver = build_driver(MAILJET_LIST_ID="999999")

    assert "Mailjet list 999999: unknown" in problems(driver)


def test_check_names_the_list_of_a_tag_that_mailjet_lacks(build_driver):
    driver = build_driver(SYNC_TAG_LISTS="vip=999999")

    said = problems(driver)

    assert "Mailjet list 999999: unknown: correct the list of tag:vip" in said


def test_check_names_a_list_that_was_deleted(build_driver, mailjet, mailjet_list):
    mailjet.call("PUT", f"contactslist/{mailjet_list}", {"IsDeleted": True})
    driver = build_driver(MAILJET_LIST_ID=str(mailjet_list))

    assert f"Mailjet list {mailjet_list}: unknown" in problems(driver)


def test_check_goes_on_where_mailjet_fails(build_driver):
    driver = build_driver()
    driver.sandbox.add_fault(
        "500", vendor="mailjet", route="/v3/REST/contactslist/:list"
    )

    said = problems(driver)

    assert ": mailjet: GET /v3/REST/contactslist/:listId: 500" in said
    assert "not set up" in said


def test_check_names_a_property_of_another_datatype(build_driver, mailjet):
    driver = build_driver()
    driver.setup()
    mailjet.call("DELETE", "contactmetadata/city")
    wrong = {"Name": "city", "Datatype": "int", "NameSpace": "static"}
    mailjet.call("POST", "contactmetadata", wrong)

    assert "'city'" in problems(driver)


def test_check_warns_of_a_missing_scope_and_says_what_works_without_it(build_driver):
    driver = build_driver()
    driver.setup()
    driver.sandbox.add_fault("scope_missing", route="/businesses/")

    assert problems(driver) == ""
    assert "GHL scope businesses.readonly: missing" in problems(driver, Level.WARNING)


def test_check_warns_of_a_search_that_cannot_filter(build_driver):
    driver = build_driver()
    driver.setup()
    driver.sandbox.add_fault("filter_refused", field="dnd")

    assert "cannot find opted-out" in problems(driver, Level.WARNING)


def test_check_tells_of_a_pause_and_its_reason(build_driver):
    driver = build_driver()
    driver.setup()
    driver.kit.health.pause(DEAD_TOKEN)

    assert "paused: the credential is refused" in problems(driver)


def test_a_probe_of_a_good_connection_passes(build_driver):
    driver = build_driver()
    driver.setup()

    probe(driver.kit)

    assert driver.writes() == []


@pytest.mark.parametrize("vendor", ["ghl", "mailjet"])
def test_a_probe_of_a_vendor_that_only_stumbles_passes(build_driver, vendor):
    driver = build_driver()
    driver.setup()
    driver.sandbox.add_fault("502", vendor=vendor, times=PROBE_TRIES - 1)

    probe(driver.kit)


def test_a_probe_fails_while_a_property_is_missing(build_driver, mailjet):
    driver = build_driver()
    driver.setup()
    mailjet.call("DELETE", "contactmetadata/city")

    with pytest.raises(ConfigError, match="city"):
        probe(driver.kit)


def test_a_probe_fails_while_the_list_is_missing(build_driver, redis):
    driver = build_driver()
    driver.setup()
    redis.hset("gm:default:setup", "list_id", 999999)
    after = build_driver()

    with pytest.raises(NotFound):
        probe(after.kit)
