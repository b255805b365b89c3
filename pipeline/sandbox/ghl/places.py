"""The location itself, its businesses, tag dictionary and custom fields."""

from pipeline.sandbox.ghl.errors import unprocessable
from pipeline.sandbox.ghl.listings import number
from pipeline.sandbox.ghl.location import Location
from pipeline.sandbox.wire import Answer, Call, Routes

routes: Routes[Location] = Routes()


@routes("GET", "/locations/:locationId")
def get_location(location: Location, call: Call) -> Answer:
    location.require(call.params["locationId"])
    return Answer(
        200,
        {
            "location": {
                "id": location.id,
                "companyId": "sandboxCompany000001",
                "name": "Lighthouse Marketing",
                "email": "hello@lighthouse.example",
                "city": "Lisboa",
                "country": "PT",
                "timezone": location.settings.timezone,
                "settings": {
                    "allowDuplicateContact": location.settings.allow_duplicates,
                    "allowDuplicateOpportunity": False,
                    "allowFacebookNameMerge": False,
                    "disableContactTimezone": False,
                },
            }
        },
    )


@routes("GET", "/locations/:locationId/tags")
def list_tags(location: Location, call: Call) -> Answer:
    """The tag dictionary, unpaged."""
    location.require(call.params["locationId"])
    return Answer(200, {"tags": list(location.tag_names.values())})


@routes("GET", "/locations/:locationId/customFields")
def list_custom_fields(location: Location, call: Call) -> Answer:
    """The definitions, unpaged; `model` is contact, opportunity or all."""
    location.require(call.params["locationId"])
    model = call.query.get("model", "all")
    if model not in {"contact", "opportunity", "all"}:
        words = "model must be one of the following values: contact, opportunity, all"
        raise unprocessable([words])
    fields = location.custom_fields.values()
    shown = [field for field in fields if model in ("all", field["model"])]
    return Answer(200, {"customFields": shown})


@routes("GET", "/businesses/")
def list_businesses(location: Location, call: Call) -> Answer:
    """By offset; `limit` defaults to 100, a maximum is not stated."""
    if not call.query.get("locationId"):
        raise unprocessable(["locationId should not be empty"])
    location.require(call.query["locationId"])
    limit = number(call, "limit", 100, low=1)
    skip = location.faults.shifted(number(call, "skip", 0), call)
    businesses = list(location.businesses.values())
    return Answer(200, {"businesses": businesses[skip : skip + limit]})
