"""The sandbox as a process of its own, for tests, demos and benchmarks."""

import contextlib
import copy
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import requests

from tests.sandbox_activities import ActivityControl
from tests.sandbox_events import EventControl
from tests.sandbox_sending import SendingControl

Row = dict[str, Any]

STOP_SECONDS = 10.0
CALL_SECONDS = 30.0


class Sandbox(ActivityControl, EventControl, SendingControl):
    """A local GHL and a local Mailjet on free ports, started here and ended by `stop`.

    Limits are off unless `options` set them.

    Args:
        options: more of the command's own, such as `"--contacts", "10000"`.
    """

    def __init__(self, *options: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-")
        env_file = Path(self._folder.name, "env")
        self.connections_file = Path(self._folder.name, "connections.toml")
        """As the command wrote it: a connection for each location."""
        self._query = ""
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pipeline.sandbox"),
                *("--ghl-port", "0", "--mailjet-port", "0"),
                *("--ghl-rate", "off", "--mailjet-rate", "off"),
                *("--mailjet-send-rate", "off"),
                *("--env-file", str(env_file)),
                *("--connections-file", str(self.connections_file)),
                *options,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._control = requests.Session()
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        lines = env_file.read_text().splitlines()
        self._variables = dict(line.split("=", 1) for line in lines)
        self.env = self._variables
        """`GHL_BASE_URL`, `GHL_TOKEN`, ... as the command wrote them for dotenv."""

    def _wait_until_ready(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("Ready."):
                return
        raise RuntimeError(f"the sandbox ended with {self._process.wait()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> int:
        """End the process, kindly first; harmless when it has ended.

        Returns:
            its exit status: 0 unless it had to be killed.
        """
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._control.close()
        with contextlib.suppress(FileNotFoundError):
            self._folder.cleanup()
        return self._process.returncode

    def location(self, number: int) -> Self:
        """The same process, looked at and broken in that location alone, from 1 on.

        Its `env` holds the location's credentials under the names of the first's.
        """
        suffix = "" if number == 1 else f"_{number}"
        other = copy.copy(self)
        other.env = {
            name: self._variables.get(f"{name}{suffix}", text)
            for name, text in self._variables.items()
        }
        other._query = f"?location={other.env['GHL_LOCATION_ID']}"
        return other

    def log(self, vendor: str | None = None) -> list[Row]:
        """The calls in order of arrival.

        Each has `arrival` (monotonic seconds), `vendor`, `method`, `route` (template),
        `status` (None without an answer) and `contact` (id or None).
        """
        rows: list[Row] = self._get("log", vendor=vendor)
        return rows

    def clear_log(self) -> None:
        self._ask("DELETE", "log")

    def exchanges(self) -> list[Row]:
        """Requests and answers whole since the last look, with `keep_exchanges` set.

        Each has `vendor`, `method`, `route`, `path`, `query` (pairs), `headers` (names
        in lower case), `request` (text), `status` and `answer`.
        """
        rows: list[Row] = self._get("exchanges")
        return rows

    def stats(self) -> dict[str, Row]:
        """By vendor: `calls`, `answers_429`, `first_arrival`, `last_arrival`,
        `busiest_window`, `window_seconds` and `routes`."""
        stats: dict[str, Row] = self._get("stats")
        return stats

    def settings(self, **changes: Any) -> Row:
        """Change settings, such as `ghl_rate="25/10"`; all of them come back."""
        settings: Row = self._ask("POST", "settings", changes)
        return settings

    def faults(self) -> list[Row]:
        """The faults that are on."""
        faults: list[Row] = self._get("faults")
        return faults

    def add_fault(self, kind: str, **fields: Any) -> int:
        """Switch a fault on, such as `add_fault("500", vendor="ghl", times=1)`.

        Returns:
            its id.
        """
        fault: Row = self._ask("POST", "faults", {"kind": kind, **fields})
        return int(fault["id"])

    def remove_fault(self, fault_id: int) -> None:
        self._ask("DELETE", f"faults/{fault_id}")

    def clear_faults(self) -> None:
        self._ask("DELETE", "faults")

    def contacts(self) -> list[Row]:
        """All GHL contacts, raw."""
        rows: list[Row] = self._get("ghl/contacts")
        return rows

    def contact(self, contact_id: str) -> Row | None:
        """One GHL contact, raw; None when it is gone."""
        url = self._url(f"ghl/contacts/{contact_id}")
        response = self._control.get(url, timeout=CALL_SECONDS)
        if response.status_code == 404:
            return None
        row: Row = response.json()
        return row

    def put_contact(self, **fields: Any) -> Row:
        """Create a GHL contact, or patch the one with that `id`, past the API."""
        row: Row = self._ask("POST", "ghl/contacts", fields)
        return row

    def delete_contact(self, contact_id: str) -> None:
        self._ask("DELETE", f"ghl/contacts/{contact_id}")

    def subscribers(self) -> list[Row]:
        """All Mailjet contacts: `id`, `email`, `name`, `properties`, `excluded` and
        `lists` (list id as text to `{"unsubscribed": bool}`)."""
        rows: list[Row] = self._get("mailjet/subscribers")
        return rows

    def subscriber(self, email: str) -> Row | None:
        """One Mailjet contact by its address; None when there is none."""
        wanted = email.lower()
        rows = (row for row in self.subscribers() if row["email"].lower() == wanted)
        return next(rows, None)

    def put_subscriber(self, **fields: Any) -> Row:
        """Create a Mailjet contact, or patch the one with that `id` or `email`.

        Takes the fields of `subscribers`; in `lists`, None takes one off a list.
        """
        row: Row = self._ask("POST", "mailjet/subscribers", fields)
        return row

    def delete_subscriber(self, subscriber_id: int) -> None:
        """Delete for good, as an operator does; the row stays, without the person."""
        self._ask("DELETE", f"mailjet/subscribers/{subscriber_id}")

    def _url(self, path: str) -> str:
        return f"{self.env['GHL_BASE_URL']}/_sandbox/{path}{self._query}"

    def _get(self, path: str, **query: str | None) -> Any:
        response = self._control.get(
            self._url(path), params=query, timeout=CALL_SECONDS
        )
        assert response.ok, response.text
        return response.json()

    def _ask(self, method: str, path: str, body: Row | None = None) -> Any:
        response = self._control.request(
            method, self._url(path), json=body, timeout=CALL_SECONDS
        )
        assert response.ok, response.text
        return response.json() if response.content else None


class GhlCaller:
    """Calls the sandbox's GHL with plain `requests`, with good manners by default."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.location = sandbox.env["GHL_LOCATION_ID"]
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {sandbox.env['GHL_TOKEN']}"
        self._session.headers["Version"] = "2021-07-28"

    def close(self) -> None:
        self._session.close()

    def call(self, method: str, path: str, **rest: Any) -> requests.Response:
        """One call; `rest` goes to `requests`."""
        url = self.sandbox.env["GHL_BASE_URL"] + path
        return self._session.request(method, url, timeout=CALL_SECONDS, **rest)

    def listing(self, **query: Any) -> requests.Response:
        """`GET /contacts/` of this location."""
        query.setdefault("locationId", self.location)
        return self.call("GET", "/contacts/", params=query)

    def search(self, **body: Any) -> requests.Response:
        """`POST /contacts/search` in this location, 100 rows a page."""
        whole = {"locationId": self.location, "pageLimit": 100, **body}
        return self.call("POST", "/contacts/search", json=whole)

    def found(self, field: str, operator: str, value: Any = None) -> list[Row]:
        """All rows that one filter of the search lets through."""
        item = {"field": field, "operator": operator, "value": value}
        response = self.search(pageLimit=500, filters=[item])
        assert response.status_code == 200, response.text
        rows: list[Row] = response.json()["contacts"]
        return rows

    def create(self, **fields: Any) -> Row:
        """A new contact, as the API shows it."""
        body = {"locationId": self.location, **fields}
        response = self.call("POST", "/contacts/", json=body)
        assert response.status_code == 201, response.text
        row: Row = response.json()["contact"]
        return row

    def contact(self, contact_id: str) -> Row:
        """One contact, as GET shows it."""
        row: Row = self.call("GET", f"/contacts/{contact_id}").json()["contact"]
        return row


class MailjetCaller:
    """Calls the sandbox's Mailjet with plain `requests`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        env = sandbox.env
        self.list_id = int(env["MAILJET_LIST_ID"])
        self._session = requests.Session()
        self._session.auth = (env["MAILJET_API_KEY"], env["MAILJET_SECRET_KEY"])

    def close(self) -> None:
        self._session.close()

    def call(
        self, method: str, path: str, body: Any = None, **rest: Any
    ) -> requests.Response:
        """One call; a path without a slash in front is below `/v3/REST/`."""
        path = path if path.startswith("/") else f"/v3/REST/{path}"
        url = self.sandbox.env["MAILJET_BASE_URL"] + path
        return self._session.request(
            method, url, json=body, timeout=CALL_SECONDS, **rest
        )

    def rows(self, path: str, **query: Any) -> list[Row]:
        """The `Data` of a listing."""
        response = self.call("GET", path, params=query)
        assert response.status_code == 200, response.text
        rows: list[Row] = response.json()["Data"]
        return rows

    def manage(
        self, email: str, action: str = "addnoforce", **fields: Any
    ) -> requests.Response:
        """The upsert: `POST contactslist/{id}/managecontact` on the seeded list."""
        path = f"contactslist/{self.list_id}/managecontact"
        return self.call("POST", path, {"Email": email, "Action": action, **fields})

    def add(self, **fields: Any) -> int:
        """A new contact with a new address; its id."""
        body = {"Email": fresh_email(), **fields}
        response = self.call("POST", "contact", body)
        assert response.status_code == 201, response.text
        return int(response.json()["Data"][0]["ID"])

    def new_list(self) -> int:
        """A list that nobody is on; its id."""
        response = self.call("POST", "contactslist", {"Name": uuid4().hex})
        assert response.status_code == 201, response.text
        return int(response.json()["Data"][0]["ID"])

    def new_property(self, **fields: str) -> str:
        """A property with a new name; its name."""
        body = {"Name": f"p{uuid4().hex}", "Datatype": "str", **fields}
        response = self.call("POST", "contactmetadata", body)
        assert response.status_code == 201, response.text
        return str(response.json()["Data"][0]["Name"])

    def is_unsubscribed(self, email: str) -> bool | None:
        """On the seeded list; None when the contact is not on it."""
        subscriber = self.sandbox.subscriber(email)
        assert subscriber is not None
        row: dict[str, bool] | None = subscriber["lists"].get(str(self.list_id))
        return row["unsubscribed"] if row else None


def fresh_email() -> str:
    """An address that nobody has."""
    return f"{uuid4().hex}@example.com"
