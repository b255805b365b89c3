"""Invents the contacts of the GHL location."""

import random
from datetime import UTC, datetime, timedelta

from pipeline.sandbox.ghl.location import Location
from pipeline.sandbox.ghl.times import to_iso
from pipeline.sandbox.seed.places import (
    COMPANIES,
    PLACES,
    SOURCES,
    STREETS,
    TAGS,
    Place,
)
from pipeline.sandbox.wire import Row

NEWEST = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)
CHANNELS = ("Call", "Email", "SMS", "WhatsApp", "GMB", "FB")
DOMAINS = ("example.com", "example.org", "example.net")
BROKEN_EMAILS = ("{0}@@example.com", "{0}.example.com", "{0}@", "{0} at example.com")
WITHOUT_EMAIL, BROKEN_EMAIL, SHARED_EMAIL, PLUS_EMAIL = 0.03, 0.01, 0.01, 0.02
EMAIL_DND, PERMANENT_DND, ALL_DND = 0.08, 0.01, 0.01
WITH_BUSINESS = 0.7
CUSTOM_FIELDS: tuple[tuple[str, str, list[str]], ...] = (
    ("Membership Level", "SINGLE_OPTIONS", ["Basic", "Silver", "Gold"]),
    ("Lifetime Value", "MONETORY", []),
    ("Interests", "CHECKBOX", ["Yoga", "Travel", "Food"]),
    ("Favourite Colour", "TEXT", []),
)


def furnish(location: Location, contacts: int, seed: int) -> None:
    """Fill a location with custom fields, businesses and contacts."""
    dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
    for position, (name, datatype, options) in enumerate(CUSTOM_FIELDS):
        row = _custom_field(location, name, datatype, options, position)
        location.custom_fields[row["id"]] = row
    for number in range(max(5, round(contacts**0.5 * 0.55))):
        row = _business(location, dice, number)
        location.businesses[row["id"]] = row
    location.add_tag_name("VIP")  # beside `vip`: the dictionary keeps both
    rows: list[Row] = []
    for number in range(contacts):
        rows.append(_contact(location, dice, number, rows))
    location.load(rows)


def _custom_field(
    location: Location, name: str, datatype: str, options: list[str], position: int
) -> Row:
    return {
        "id": location.new_id(),
        "name": name,
        "fieldKey": f"contact.{name.lower().replace(' ', '_')}",
        "placeholder": "",
        "dataType": datatype,
        "position": position * 50,
        "picklistOptions": options,
        "picklistImageOptions": [],
        "isAllowedCustomOption": False,
        "isMultiFileAllowed": False,
        "maxFileLimit": 0,
        "locationId": location.id,
        "model": "contact",
    }


def _business(location: Location, dice: random.Random, number: int) -> Row:
    name = COMPANIES[number % len(COMPANIES)]
    branch = number // len(COMPANIES)
    place = dice.choice(PLACES)
    city, state, postal_code = dice.choice(place.cities).split(", ")
    return {
        "id": f"{dice.getrandbits(96):024x}",
        "name": f"{name} {branch + 1}" if branch else name,
        "locationId": location.id,
        "phone": _phone(dice, place),
        "email": f"hello{number}@business.example",
        "website": f"https://business{number}.example",
        "city": city,
        "state": state,
        "postalCode": postal_code,
        "country": place.country,
        "createdAt": "2025-03-01T09:00:00.000Z",
        "updatedAt": "2025-03-01T09:00:00.000Z",
    }


def _contact(
    location: Location, dice: random.Random, number: int, others: list[Row]
) -> Row:
    place = dice.choice(PLACES)
    first, first_latin = _name(dice.choice(place.first_names))
    last, last_latin = _name(dice.choice(place.last_names))
    city, state, postal_code = dice.choice(place.cities).split(", ")
    added = NEWEST - timedelta(seconds=dice.uniform(0, 2 * 365 * 86_400))
    row: Row = {
        "id": location.new_id(),
        "locationId": location.id,
        "firstName": first,
        "lastName": last,
        "phone": _phone(dice, place),
        "city": city,
        "state": state,
        "postalCode": postal_code,
        "address1": f"{dice.randint(1, 240)} {dice.choice(STREETS)}",
        "country": place.country,
        "timezone": place.timezone,
        "source": dice.choice(SOURCES),
        "type": dice.choice(("lead", "customer")),
        "tags": sorted(dice.sample(TAGS, dice.choice((0, 1, 1, 2, 3)))),
        "customFields": _custom_values(location, dice),
        "dateAdded": to_iso(added),
        "dateUpdated": to_iso(added + (NEWEST - added) * dice.random()),
        **_dnd(dice),
    }
    email = _email(dice, f"{first_latin}.{last_latin}", number, others)
    if email:
        row["email"] = email
    if dice.random() < 0.3:
        row["dateOfBirth"] = f"{dice.randint(1950, 2005)}-0{dice.randint(1, 9)}-17"
    if dice.random() < WITH_BUSINESS:
        # The square makes a few businesses large and most of them small.
        businesses = list(location.businesses.values())
        business = businesses[int(dice.random() ** 2 * len(businesses))]
        row |= {"businessId": business["id"], "companyName": business["name"]}
    return row


def _email(dice: random.Random, name: str, number: int, others: list[Row]) -> str:
    """An address; now and then none, a broken one, or somebody else's in capitals."""
    chance = dice.random()
    if chance < WITHOUT_EMAIL:
        return ""
    chance -= WITHOUT_EMAIL
    if chance < BROKEN_EMAIL:
        return dice.choice(BROKEN_EMAILS).format(name)
    chance -= BROKEN_EMAIL
    if chance < SHARED_EMAIL and others and others[-1].get("email"):
        return str(others[-1]["email"]).title()
    chance -= SHARED_EMAIL
    plus = "+news" if chance < PLUS_EMAIL else ""
    return f"{name}{number}{plus}@{dice.choice(DOMAINS)}"


def _dnd(dice: random.Random) -> Row:
    """Do not disturb: neither the flag nor the channels follow from each other."""
    chance = dice.random()
    if chance < ALL_DND:
        return {"dnd": True, "dndSettings": _channels("inactive")}
    if chance < ALL_DND + PERMANENT_DND:
        return {"dnd": False, "dndSettings": _channels("permanent")}
    if chance < ALL_DND + PERMANENT_DND + EMAIL_DND:
        return {"dnd": False, "dndSettings": _channels("active")}
    return {"dnd": False, "dndSettings": _channels("inactive") if chance > 0.6 else {}}


def _channels(email_status: str) -> Row:
    settings = {c: {"status": "inactive", "message": "", "code": ""} for c in CHANNELS}
    if email_status != "inactive":
        message = "Updated by 'Ana Simões' at 2026-05-04T10:00:00.000Z"
        entry = {"status": email_status, "message": message, "code": "103"}
        settings["Email"] = entry
    return settings


def _custom_values(location: Location, dice: random.Random) -> list[Row]:
    level, worth, interests, _ = location.custom_fields
    values = {
        level: dice.choice(("Basic", "Silver", "Gold")),
        worth: round(dice.uniform(10, 9000), 2),
        interests: sorted(dice.sample(("Yoga", "Travel", "Food"), 2)),
    }
    return [{"id": k, "value": v} for k, v in values.items() if dice.random() < 0.4]


def _phone(dice: random.Random, place: Place) -> str:
    return f"{place.phone}{dice.randint(0, 99_999_999):08d}"


def _name(entry: str) -> tuple[str, str]:
    native, latin = entry.rsplit(" ", 1)
    return native, latin
