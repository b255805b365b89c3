"""A vendor that answers with samples, in memory: what clients and `classify` meet.

Only the wire is replaced, at the transport adapter of requests; the session, the
schemas and the clients are the real ones.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

from pipeline.permit import Lane, Permit
from pipeline.session import ApiSession

SAMPLES = Path(__file__).parent / "samples"


@dataclass
class Ledgerless:
    """A budget without limits that remembers what it was asked and told."""

    taken: list[Permit] = field(default_factory=list)
    learned: list[tuple[int, Mapping[str, str], float | None]] = field(
        default_factory=list
    )

    def take(self, permit: Permit) -> None:
        self.taken.append(permit)

    def learn(
        self, status: int, headers: Mapping[str, str], retry_after_seconds: float | None
    ) -> None:
        self.learned.append((status, headers, retry_after_seconds))


@dataclass(frozen=True)
class Recording:
    """One answer as it was on the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Sent:
    """One request as it was about to leave."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: Mapping[str, str]


def sample(name: str) -> Recording:
    """The sample `tests/samples/<name>.json`."""
    kept = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return recording(kept["body"], kept["status"], kept["headers"])


def recording(
    body: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Recording:
    """An answer made on the spot; text stays as it is, all else becomes JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    return Recording(status, CaseInsensitiveDict(headers or {}), text.encode())


class RecordedVendor(BaseAdapter):
    """Answers each request with the next recording and keeps the request."""

    def __init__(self, vendor: str, *answers: Recording) -> None:
        super().__init__()
        self.answers = list(answers)
        self.sent: list[Sent] = []
        self.budget = Ledgerless()
        http = requests.Session()
        http.mount("https://vendor.example", self)
        self.session = ApiSession(
            vendor,
            "https://vendor.example",
            budget=self.budget,
            permit=Permit(Lane.BULK),
            read_only=False,
            http=http,
        )

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> Any:
        assert request.method is not None
        url = urlsplit(request.url or "")
        self.sent.append(
            Sent(
                request.method,
                unquote(str(url.path)),
                dict(parse_qsl(str(url.query))),
                json.loads(request.body) if request.body else None,
                request.headers,
            )
        )
        answer = self.answers.pop(0)
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(answer.headers)
        response.raw = HTTPResponse(
            io.BytesIO(answer.body), answer.headers, preload_content=False
        )
        return response

    def close(self) -> None:
        """Nothing is open."""
