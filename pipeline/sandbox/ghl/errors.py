"""GHL's refusals. `message` is a text, but a list of texts with 422."""

from typing import Any

from pipeline.sandbox.wire import Answer, Refusal

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    422: "Unprocessable Entity",
}


def error(status: int, message: str) -> Answer:
    """An error body with one message; 5xx and 429 carry no title."""
    words: Any = [message] if status == 422 else message
    body: dict[str, Any] = {"statusCode": status, "message": words}
    if status in TITLES:
        body["error"] = TITLES[status]
    return Answer(status, body)


def bad_request(message: str) -> Refusal:
    return Refusal(error(400, message))


def wrong_location() -> Refusal:
    return Refusal(error(403, "The token does not have access to this location."))


def unprocessable(messages: list[str]) -> Refusal:
    body = {"message": messages, "error": TITLES[422], "statusCode": 422}
    return Refusal(Answer(422, body))


def duplicate(contact_id: str, contact_name: str, field: str) -> Refusal:
    """The refusal that names the contact who already has the address or the phone."""
    answer = error(400, "This location does not allow duplicated contacts.")
    answer.body["meta"] = {
        "contactId": contact_id,
        "contactName": contact_name,
        "matchingField": field,
    }
    return Refusal(answer)
