"""What a GHL location has beside contacts: settings, businesses, tags, fields."""

from collections.abc import Mapping

from pipeline.answer import Answer
from pipeline.ghl import location_schemas
from pipeline.ghl.records import BusinessPage, CustomField, Location, Tag
from pipeline.session import ApiSession, QueryValue

LIST_LIMIT = 100


class LocationCalls:
    """The calls about the location itself.

    Args:
        session: carries the token and `client.HEADERS`.
    """

    def __init__(self, session: ApiSession, location_id: str) -> None:
        self.session = session
        self.location_id = location_id

    def list_businesses(self, skip: int) -> BusinessPage:
        """Read one page of up to 100 companies; ends with an empty page.

        `GET /businesses/`, GHL OpenAPI businesses.json, read 2026-11.
        """
        answer = self.session.send(
            "GET",
            "/businesses/",
            query={"locationId": self.location_id, "limit": LIST_LIMIT, "skip": skip},
        )
        businesses = tuple(answer.load(location_schemas.BUSINESS_LIST)["businesses"])
        return BusinessPage(businesses, skip + len(businesses) if businesses else None)

    def get_location(self) -> Location:
        """Read the location's settings.

        `GET /locations/:locationId`, GHL OpenAPI locations.json, read 2026-11.
        """
        answer = self._of_location("/locations/:locationId")
        location: Location = answer.load(location_schemas.ONE_LOCATION)["location"]
        return location

    def list_tags(self) -> tuple[Tag, ...]:
        """Read the location's dictionary of tags, whole.

        `GET /locations/:locationId/tags`, GHL OpenAPI locations.json, read 2026-11.
        """
        answer = self._of_location("/locations/:locationId/tags")
        return tuple(answer.load(location_schemas.LOCATION_TAGS)["tags"])

    def list_custom_fields(self) -> tuple[CustomField, ...]:
        """Read the definitions of the contacts' custom fields, whole.

        `GET /locations/:locationId/customFields`, GHL OpenAPI locations.json, read
        2026-11.
        """
        answer = self._of_location(
            "/locations/:locationId/customFields", {"model": "contact"}
        )
        return tuple(answer.load(location_schemas.CUSTOM_FIELD_LIST)["custom_fields"])

    def _of_location(
        self, route: str, query: Mapping[str, QueryValue] | None = None
    ) -> Answer:
        path = {"locationId": self.location_id}
        return self.session.send("GET", route, path=path, query=query)
