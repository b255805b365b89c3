"""The time zone of a location, by its name in the IANA database."""

from zoneinfo import ZoneInfo

UNKNOWN = "UTC"


def zone_of(name: str) -> ZoneInfo:
    """The zone of that name; UTC where the database has none, as for ""."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # Not in the database, no name at all, or the name of one of its folders.
        return ZoneInfo(UNKNOWN)
