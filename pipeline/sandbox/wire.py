"""What travels: a call that came in, the answer that goes out, the route between."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, unquote

Row = dict[str, Any]
"""A JSON object, such as one contact."""

State = TypeVar("State")
"""What an endpoint works on: a GHL location, a Mailjet account, the whole sandbox."""


@dataclass(slots=True)
class Call:
    """One request.

    Args:
        query: of a repeated parameter the first value counts.
        params: what the route's `:names` stand for, percent-decoded.
        repeated: the query as it came, for the rare parameter that is a list.
        contact: the id of the contact it is about; None where there is none (yet).
        address: the e-mail address of that contact in lower case, where it is known.
    """

    vendor: str
    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    params: dict[str, str] = field(default_factory=dict)
    route: str = "(unknown)"
    repeated: list[tuple[str, str]] = field(default_factory=list)
    contact: str | int | None = None
    address: str = ""


@dataclass(slots=True)
class Answer:
    """One response.

    Args:
        body: a JSON value; bytes go out as they are; None is no body.
        reason: the words beside the status; None is HTTP's own.
    """

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    reason: str | None = None


class Refusal(Exception):
    """An endpoint's way to answer with an error from any depth."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(answer.status)


@dataclass(frozen=True, slots=True)
class Route(Generic[State]):
    method: str
    template: str
    endpoint: Callable[[State, Call], Answer]


class Routes(Generic[State]):
    """A table of endpoints, by method and path template such as `/contacts/:id`.

    Args:
        fold_case: whether `/ContactsList` is `/contactslist`; values keep their case.
    """

    def __init__(self, *, fold_case: bool = False) -> None:
        self._fold_case = fold_case
        self._by_length: dict[int, list[tuple[list[str], Route[State]]]] = {}

    def __call__(
        self, method: str, template: str
    ) -> Callable[[Callable[[State, Call], Answer]], Callable[[State, Call], Answer]]:
        def register(
            endpoint: Callable[[State, Call], Answer],
        ) -> Callable[[State, Call], Answer]:
            self._add(Route(method, template, endpoint))
            return endpoint

        return register

    def joined(self, others: "Iterable[Routes[State]]") -> "Routes[State]":
        """Take in the routes of other tables."""
        for other in others:
            for route in other:
                self._add(route)
        return self

    def __iter__(self) -> Iterator[Route[State]]:
        """All routes."""
        return (route for rows in self._by_length.values() for _, route in rows)

    def find(
        self, method: str, path: str
    ) -> tuple[Route[State] | None, dict[str, str], bool]:
        """Look a path up.

        Returns:
            the route or None, its parameters, and whether another method has it.
        """
        segments = _parts(path)
        names = [s.lower() for s in segments] if self._fold_case else segments
        known = False
        for parts, route in self._by_length.get(len(segments), ()):
            if all(p == n or p[0] == ":" for p, n in zip(parts, names, strict=True)):
                known = True
                if route.method == method:
                    return route, _params(parts, segments), known
        return None, {}, known

    def _add(self, route: Route[State]) -> None:
        parts = _parts(route.template)
        if self._fold_case:
            parts = [part if part[0] == ":" else part.lower() for part in parts]
        self._by_length.setdefault(len(parts), []).append((parts, route))


def read_target(target: str) -> tuple[str, list[tuple[str, str]]]:
    """Split a request target into its path, still encoded, and its query."""
    path, _, query = target.partition("?")
    return path, parse_qsl(query, keep_blank_values=True)


def first_values(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """A query by name; of a repeated parameter the first value counts."""
    return dict(reversed(pairs))


def json_object(call: Call) -> Row:
    """The body of a call that is ours to believe.

    Raises:
        TypeError, ValueError: it is no JSON object.
    """
    body = json.loads(call.body)
    if not isinstance(body, dict):
        raise TypeError("the body must be an object")
    return body


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _params(parts: list[str], segments: list[str]) -> dict[str, str]:
    return {
        part[1:]: unquote(segment)
        for part, segment in zip(parts, segments, strict=True)
        if part[0] == ":"
    }
