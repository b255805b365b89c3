"""Consent on both sides: a no anywhere is a no everywhere, and only a yes opens."""

import pytest

from pipeline import consent_report, opting_in
from pipeline.errors import ConfigError
from pipeline.feedback import Feedback
from pipeline.permit import Lane
from pipeline.sync.mail_event import EventKind, MailEvent
from tests.driver import Driver, dnd
from tests.sandbox import Row, fresh_email

NOW_MS = 1_795_449_600_000
EXCLUDED = ("PUT", "/v3/REST/contact/:contact")


def heard(driver: Driver, *events: MailEvent) -> int:
    """What the receiver or a poll hands over, and the work that follows."""
    record = driver.kit.record()
    assert record is not None
    count = Feedback(driver.kit, record).apply(events)
    driver.work()
    return count


def event(kind: EventKind, person: Row, **fields: object) -> MailEvent:
    return MailEvent(kind, NOW_MS, email=person["email"], **fields)


def email_dnd(driver: Driver, person: Row) -> Row:
    contact = driver.sandbox.contact(person["id"])
    assert contact is not None
    return contact.get("dndSettings", {}).get("Email", {})


def tags(driver: Driver, person: Row) -> list[str]:
    contact = driver.sandbox.contact(person["id"])
    assert contact is not None
    return contact["tags"]


def unsubscribe(driver: Driver, person: Row, list_id: object = None) -> None:
    place = {str(list_id or driver.list_id): {"unsubscribed": True}}
    driver.sandbox.put_subscriber(email=person["email"], lists=place)


def status(driver: Driver, person: Row) -> str:
    return driver.subscriber(person["email"])["properties"]["ghl_email_status"]


@pytest.fixture
def ana(driver: Driver) -> Row:
    """Somebody who was synced and is mailed."""
    person = driver.person(tags=["lead"])
    driver.sync(person["id"])
    driver.sandbox.clear_log()
    return person


def test_unsubscribe_in_mailjet_sets_email_dnd_in_ghl(driver, ana):
    sms = {"SMS": {"status": "active", "message": "stop", "code": "103"}}
    driver.sandbox.put_contact(id=ana["id"], dndSettings=sms)
    unsubscribe(driver, ana)

    heard(driver, event(EventKind.UNSUB, ana, list_id=int(driver.list_id)))

    entry = email_dnd(driver, ana)
    assert entry["status"] == "active"
    assert entry["code"] == "mailjet-unsubscribed"
    assert entry["message"].startswith(
        "Unsubscribed in Mailjet on 2026-11-23T16:00:00Z"
    )
    assert driver.sandbox.contact(ana["id"])["dndSettings"]["SMS"] == sms["SMS"]
    assert tags(driver, ana) == ["lead", "mailjet-unsubscribed"]
    assert status(driver, ana) == "opted_out"


def test_our_own_dnd_comes_back_as_a_change_and_ends_in_an_empty_plan(driver, ana):
    unsubscribe(driver, ana)
    heard(driver, event(EventKind.UNSUB, ana))
    driver.sandbox.clear_log()
    record = driver.kit.record()

    Feedback(driver.kit, record).dnd(ana["id"], None, NOW_MS)
    outcomes = [driver.work(), driver.full_run().outcomes, driver.full_run().outcomes]

    assert [o.keys() for o in outcomes] == [{"unchanged"}] * 3
    assert driver.writes() == []


def test_an_event_acts_once_however_often_it_comes(driver, ana):
    unsubscribe(driver, ana)
    once = event(EventKind.UNSUB, ana)

    counts = [heard(driver, once, once), heard(driver, once)]

    assert counts == [1, 0]
    assert driver.calls("PUT", "/contacts/:contactId") == 1


def test_a_complaint_is_told_as_one(driver, ana):
    driver.sandbox.put_subscriber(email=ana["email"], complained=True)

    heard(driver, event(EventKind.SPAM, ana))

    assert email_dnd(driver, ana)["code"] == "mailjet-complained"
    assert "mailjet-complained" in tags(driver, ana)
    assert status(driver, ana) == "complained"
    assert driver.on_list(ana["email"]) is False


def test_who_is_out_already_and_complains_is_known_to(driver, ana):
    unsubscribe(driver, ana)
    heard(driver, event(EventKind.UNSUB, ana))
    driver.sandbox.put_subscriber(email=ana["email"], complained=True)

    heard(driver, event(EventKind.SPAM, ana))

    assert status(driver, ana) == "complained"


def test_a_hard_bounce_blocks_and_excludes_and_is_no_consent(driver, ana):
    heard(driver, event(EventKind.BOUNCE, ana, message_id=7, hard=True))

    assert email_dnd(driver, ana)["code"] == "mailjet-bounced"
    assert "mailjet-bounced" in tags(driver, ana)
    assert status(driver, ana) == "bounced"
    assert driver.subscriber(ana["email"])["excluded"]
    assert driver.on_list(ana["email"]) is True
    driver.sandbox.clear_log()
    assert driver.full_run().outcomes == {"unchanged": 1}
    assert driver.full_run().outcomes == {"unchanged": 1}
    assert driver.writes() == []


def test_a_bounce_is_not_inherited_by_another_address(driver, ana):
    heard(driver, event(EventKind.BOUNCE, ana, message_id=7, hard=True))
    email = fresh_email()
    driver.sandbox.put_contact(id=ana["id"], email=email)

    driver.sync(ana["id"])

    assert email_dnd(driver, ana)["status"] == "inactive"
    assert driver.on_list(email) is True
    assert not driver.subscriber(email)["excluded"]
    assert driver.subscriber(email)["properties"]["ghl_email_status"] == "subscribed"


def test_soft_bounces_count_until_mail_arrives(driver, ana):
    soft = [
        MailEvent(EventKind.BOUNCE, NOW_MS + i * 1000, ana["email"], message_id=i)
        for i in range(1, 6)
    ]
    alive = MailEvent(EventKind.OPEN, NOW_MS + 2500, ana["email"], message_id=2)

    heard(driver, alive, *soft)
    assert email_dnd(driver, ana) == {}
    later = [
        MailEvent(EventKind.BOUNCE, NOW_MS + i * 1000, ana["email"], message_id=i)
        for i in range(6, 8)
    ]
    heard(driver, *later)

    assert email_dnd(driver, ana)["code"] == "mailjet-bounced"
    assert status(driver, ana) == "bounced"


def test_an_address_that_takes_mail_again_after_soft_bounces_is_mailed(driver, ana):
    soft = [
        MailEvent(EventKind.BOUNCE, NOW_MS + i * 1000, ana["email"], message_id=i)
        for i in range(1, 6)
    ]
    heard(driver, *soft)

    heard(
        driver, MailEvent(EventKind.SENT, NOW_MS + 60_000, ana["email"], message_id=9)
    )

    assert email_dnd(driver, ana)["status"] == "inactive"
    assert not driver.subscriber(ana["email"])["excluded"]
    assert status(driver, ana) == "subscribed"


def test_who_says_no_after_a_bounce_stays_out_with_another_address(driver, ana):
    heard(driver, event(EventKind.BOUNCE, ana, message_id=7, hard=True))
    unsubscribe(driver, ana)
    heard(driver, event(EventKind.UNSUB, ana))
    assert email_dnd(driver, ana)["code"] == "mailjet-unsubscribed"
    email = fresh_email()
    driver.sandbox.put_contact(id=ana["id"], email=email)

    driver.sync(ana["id"])

    assert email_dnd(driver, ana)["status"] == "active"
    assert driver.on_list(email) is False


def test_an_event_of_somebody_whom_ghl_has_and_we_do_not_know_finds_them(driver):
    bob = driver.person()
    unsubscribe(driver, bob)
    driver.sandbox.clear_log()

    heard(driver, event(EventKind.UNSUB, bob))

    assert email_dnd(driver, bob)["status"] == "active"
    assert driver.calls("POST", "/contacts/search") == 1


def test_what_was_said_before_the_contact_exists_waits_under_its_address(driver):
    stranger = {"email": fresh_email()}
    heard(driver, event(EventKind.UNSUB, stranger))
    heard(driver, event(EventKind.BOUNCE, stranger, message_id=3, hard=True))

    person = driver.person(email=stranger["email"])
    driver.sync(person["id"])

    assert email_dnd(driver, person)["code"] == "mailjet-unsubscribed"
    assert driver.on_list(stranger["email"]) is False


@pytest.mark.parametrize("lane", list(Lane))
def test_a_flag_that_is_cleared_in_ghl_is_set_again(driver, ana, lane):
    unsubscribe(driver, ana)
    heard(driver, event(EventKind.UNSUB, ana))

    driver.sandbox.put_contact(id=ana["id"], **dnd("inactive"))
    driver.sync(ana["id"], lane)

    assert email_dnd(driver, ana)["status"] == "active"


def test_a_dnd_that_was_taken_back_before_we_looked_counts(driver, ana):
    record = driver.kit.record()

    Feedback(driver.kit, record).dnd(ana["id"], True, NOW_MS)
    driver.work()

    assert driver.on_list(ana["email"]) is False
    assert email_dnd(driver, ana)["status"] == "active"


def test_contacts_that_share_an_address_are_all_blocked(driver, ana):
    ann = driver.person(email=ana["email"])
    driver.sync(ann["id"])
    driver.sandbox.put_contact(id=ana["id"], **dnd("active"))

    driver.sync(ana["id"])
    driver.work()

    assert email_dnd(driver, ann)["code"] == "ghl-mailjet-shared"
    driver.sandbox.clear_log()
    driver.full_run()
    assert driver.writes() == []


# The way back


def opt_in(driver: Driver, person: Row, at_ms: int | None = None) -> str:
    return opting_in.record_opt_in(driver.kit, person["id"], "form 1234", at_ms)


def sent_actions(driver: Driver) -> list[str]:
    log = driver.sandbox.exchanges()
    return [one["request"] for one in log if "addforce" in one["request"]]


@pytest.mark.parametrize("side", ["ghl", "mailjet"])
def test_an_explicit_opt_in_opens_both_sides_again(driver, ana, side):
    if side == "ghl":
        driver.sandbox.put_contact(id=ana["id"], **dnd("active"))
        driver.sync(ana["id"])
    else:
        unsubscribe(driver, ana)
        heard(driver, event(EventKind.UNSUB, ana))

    opt_in(driver, ana)

    assert driver.on_list(ana["email"]) is True
    assert not driver.subscriber(ana["email"])["excluded"]
    assert email_dnd(driver, ana)["status"] == "inactive"
    assert status(driver, ana) == "subscribed"
    driver.sandbox.clear_log()
    driver.full_run()
    assert driver.full_run().outcomes == {"unchanged": 1}
    assert driver.writes() == []


def test_who_says_no_after_the_opt_in_is_out_again(driver, ana):
    unsubscribe(driver, ana)
    heard(driver, event(EventKind.UNSUB, ana))
    opt_in(driver, ana)

    unsubscribe(driver, ana)
    driver.sync(ana["id"])

    assert driver.on_list(ana["email"]) is False
    assert email_dnd(driver, ana)["status"] == "active"


def test_an_opt_in_older_than_the_no_is_refused(driver, ana):
    driver.sandbox.put_contact(id=ana["id"], **dnd("active"))

    with pytest.raises(ConfigError, match="only a newer opt-in counts"):
        opt_in(driver, ana, NOW_MS - 86_400_000 * 365)

    assert driver.on_list(ana["email"]) is False


@pytest.mark.parametrize(
    ("no", "words"),
    [({"dnd": True}, "all channels"), (dnd("permanent"), "permanent")],
)
def test_what_only_the_person_can_lift_is_refused(driver, ana, no, words):
    driver.sandbox.put_contact(id=ana["id"], **no)

    with pytest.raises(ConfigError, match=words):
        opt_in(driver, ana)


@pytest.mark.parametrize("proof", ["", "ana@example.com said so", "x" * 201])
def test_a_proof_says_where_it_is_and_not_who_it_is_of(driver, ana, proof):
    with pytest.raises(ConfigError, match="--opt-in"):
        opting_in.record_opt_in(driver.kit, ana["id"], proof, None)


# The report


def test_the_report_finds_both_directions_and_lets_them_be_mended(driver, ana):
    bob = driver.person()
    driver.sync(bob["id"])
    driver.sandbox.put_contact(id=ana["id"], **dnd("active"))
    unsubscribe(driver, bob)

    report = consent_report.compare(driver.kit, driver.kit.record())

    assert report.mailable == (ana["id"],)
    assert report.unblocked == (bob["id"],)
    driver.work()
    mended = consent_report.compare(driver.kit, driver.kit.record())
    assert (mended.mailable, mended.unblocked) == ((), ())


# A mass


def crowd(driver: Driver, count: int) -> list[Row]:
    people = [driver.person() for _ in range(count)]
    driver.full_run()
    for person in people:
        driver.sandbox.put_contact(id=person["id"], **dnd("active"))
    return people


def test_a_mass_of_opt_outs_is_excluded_at_once_and_unsubscribed_when_confirmed(driver):
    people = crowd(driver, 15)

    driver.discovery.preferences.read_optouts()
    driver.work()

    rows = [driver.subscriber(p["email"]) for p in people]
    assert all(row["excluded"] for row in rows)
    assert {driver.on_list(p["email"]) for p in people} == {True}
    assert opting_in.confirm_mass(driver.kit) == 15
    driver.work()
    assert {driver.on_list(p["email"]) for p in people} == {False}


def test_a_mass_that_was_a_slip_is_taken_back(driver):
    people = crowd(driver, 15)
    driver.discovery.preferences.read_optouts()
    driver.work()
    for person in people[1:]:
        driver.sandbox.put_contact(id=person["id"], **dnd("inactive"))

    revoked = opting_in.revoke_mass(driver.kit, lambda line: None)

    assert revoked == 14
    assert {driver.on_list(p["email"]) for p in people} == {True}
    states = [driver.subscriber(p["email"])["excluded"] for p in people]
    assert states == [True] + [False] * 14
    assert {status(driver, p) for p in people[1:]} == {"subscribed"}


def test_a_mass_is_taken_back_though_a_no_stays_until_then(driver):
    people = crowd(driver, 15)
    driver.discovery.preferences.read_optouts()
    record = driver.kit.record()
    assert record is not None
    for person in people:
        # What webhooks told of them is remembered apart.
        Feedback(driver.kit, record).dnd(person["id"], opted_out=True, at_ms=None)
    driver.work()
    for person in people:
        driver.sandbox.put_contact(id=person["id"], **dnd("inactive"))
    driver.ledger.mark(Lane.CONSENT, [person["id"] for person in people])
    driver.work()

    meanwhile = [email_dnd(driver, p)["status"] for p in people]
    excluded = [driver.subscriber(p["email"])["excluded"] for p in people]
    revoked = opting_in.revoke_mass(driver.kit, lambda line: None)
    driver.full_run()

    assert (meanwhile, excluded) == (["active"] * 15, [True] * 15)
    assert revoked == 15
    assert {status(driver, p) for p in people} == {"subscribed"}
    assert {email_dnd(driver, p)["status"] for p in people} == {"inactive"}
    assert {driver.subscriber(p["email"])["excluded"] for p in people} == {False}


def test_a_few_opt_outs_are_no_mass(driver):
    people = crowd(driver, 5)

    driver.discovery.preferences.read_optouts()
    driver.work()

    assert {driver.on_list(p["email"]) for p in people} == {False}


def test_what_is_the_senders_fault_is_no_bounce_of_the_address(driver, ana):
    fault = event(
        EventKind.BOUNCE, ana, message_id=7, hard=True, error="content blocked"
    )

    heard(driver, fault)

    assert email_dnd(driver, ana) == {}
    assert status(driver, ana) == "subscribed"


# What GHL refuses


def test_a_channel_that_ghl_shows_and_does_not_take_back_is_left_out(driver, ana):
    shown = {"RCS": {"status": "active"}, "SMS": {"status": "active", "code": "103"}}
    driver.sandbox.put_contact(id=ana["id"], dndSettings=shown)
    driver.sandbox.add_fault(
        "refused", vendor="ghl", method="PUT", route="/contacts/:contactId", times=1
    )
    unsubscribe(driver, ana)

    heard(driver, event(EventKind.UNSUB, ana))

    assert email_dnd(driver, ana)["status"] == "active"
    kept = driver.sandbox.contact(ana["id"])["dndSettings"]
    assert kept["SMS"] == shown["SMS"]
    assert "RCS" not in kept


def test_a_token_that_cannot_write_to_ghl_holds_nobody_up_in_mailjet(driver, ana):
    driver.sandbox.add_fault("scope_missing", vendor="ghl", method="PUT")
    unsubscribe(driver, ana)

    heard(driver, event(EventKind.UNSUB, ana))

    assert status(driver, ana) == "opted_out"
    assert driver.kit.health.paused() is None
    assert driver.letters() == []
    driver.sandbox.clear_faults()
    driver.full_run()
    assert email_dnd(driver, ana)["status"] == "active"


def test_a_tag_that_ghl_refuses_does_not_keep_the_dnd_from_being_set(driver, ana):
    driver.sandbox.add_fault(
        "refused", vendor="ghl", method="POST", route="/contacts/:contactId/tags"
    )
    unsubscribe(driver, ana)

    heard(driver, event(EventKind.UNSUB, ana))

    assert email_dnd(driver, ana)["status"] == "active"
    assert driver.on_list(ana["email"]) is False
