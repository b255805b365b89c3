"""A dlt `rest_api` pipeline with a Mailjet sink.

python -m tests.bench.rivals.dlt_pipeline, with the sandbox's addresses and keys in the
environment. dlt repeats what was refused by itself, up to five times a call.
"""

import os
import tempfile
from typing import Any

# Read when dlt is imported.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
from dlt.sources.helpers import requests
from dlt.sources.helpers.requests import Request, Response
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.paginators import BasePaginator
from dlt.sources.rest_api import rest_api_source

PAGE = 100
CLIENT = requests.Client(raise_for_status=False)


class BothCursors(BasePaginator):
    """GHL's listing needs two cursors together, which no paginator of dlt's sends."""

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        self._meta = response.json()["meta"]
        self._has_next_page = bool(self._meta.get("nextPageUrl"))

    def update_request(self, request: Request) -> None:
        cursors = ("startAfter", "startAfterId")
        request.params = {**request.params, **{k: self._meta[k] for k in cursors}}


@dlt.destination(batch_size=1, name="mailjet")
def mailjet(items: list[dict[str, Any]], table: Any) -> None:
    list_id = os.environ["MAILJET_LIST_ID"]
    url = f"{os.environ['MAILJET_BASE_URL']}/v3/REST/contactslist/{list_id}"
    auth = (os.environ["MAILJET_API_KEY"], os.environ["MAILJET_SECRET_KEY"])
    for row in items:
        if row.get("email"):
            body = {"Email": row["email"], "Action": "addnoforce"}
            answer = CLIENT.post(f"{url}/managecontact", json=body, auth=auth)
            # One address that Mailjet refuses must not end the whole load.
            if answer.status_code != 400:
                answer.raise_for_status()


def main() -> None:
    source = rest_api_source(
        {
            "client": {
                "base_url": os.environ["GHL_BASE_URL"],
                "auth": BearerTokenAuth(os.environ["GHL_TOKEN"]),
                "headers": {"Version": "2021-07-28"},
                "paginator": BothCursors(),
            },
            "resources": [
                {
                    "name": "contacts",
                    "endpoint": {
                        "path": "/contacts/",
                        "params": {
                            "locationId": os.environ["GHL_LOCATION_ID"],
                            "limit": PAGE,
                        },
                        "data_selector": "contacts",
                    },
                }
            ],
        },
        max_table_nesting=0,
    )
    with tempfile.TemporaryDirectory(prefix="dlt-") as folder:
        pipeline = dlt.pipeline(
            "ghl_to_mailjet", destination=mailjet, pipelines_dir=folder
        )
        pipeline.run(source)


if __name__ == "__main__":
    main()
