"""Requests and answers held against OpenAPI files, stricter than these are.

A key that a schema does not name is a finding too: GHL's schemas leave every object
open, which would let a misspelt key pass.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from jsonschema.exceptions import ValidationError
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from tests.sandbox import Row

BASE = "https://openapi.example/"
JSON_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean"}


class Finding(NamedTuple):
    """One way in which an exchange is not as the contract says.

    Args:
        route: such as `GET /contacts/:contactId`, as the contract has it.
        place: `query`, `header`, `request` or `answer 200`.
        where: such as `.contacts.#.email`; `#` is any element of an array.
        problem: `unknown`, `missing`, `null`, `a number`, `not in enum`, ...
    """

    route: str
    place: str
    where: str
    problem: str


class Contract:
    """All OpenAPI 3.0 files of a folder, `apps/*.json` and `common/*.json`."""

    def __init__(self, folder: Path) -> None:
        paths = [*folder.glob("apps/*.json"), *folder.glob("common/*.json")]
        documents = {
            f"{BASE}{path.relative_to(folder)}": _closed(json.loads(path.read_text()))
            for path in paths
        }
        resources = (
            (uri, Resource(contents=document, specification=DRAFT4))
            for uri, document in documents.items()
        )
        self._registry: Registry[Any] = Registry().with_resources(resources)
        self._operations = {
            (method.upper(), _as_route(path)): (f"{uri}#/paths/{_escape(path)}", each)
            for uri, document in documents.items()
            for path, methods in document.get("paths", {}).items()
            for method, each in methods.items()
        }

    def findings(self, exchange: Row) -> Iterator[Finding]:
        """What is wrong with an exchange; a route nobody knows is one finding."""
        found = self._find(exchange["method"], exchange["path"])
        if found is None:
            yield Finding(
                f"{exchange['method']} {exchange['route']}", "", "", "unknown"
            )
            return
        (method, template), (uri, operation) = found
        route, pointer = f"{method} {template}", f"{uri}/{method.lower()}"
        for place, name, problem in _parameters(operation, exchange):
            yield Finding(route, place, name, problem)
        for where, problem in self._request(pointer, operation, exchange):
            yield Finding(route, "request", where, problem)
        for where, problem in self._answer(pointer, operation, exchange):
            yield Finding(route, f"answer {exchange['status']}", where, problem)

    def _find(self, method: str, path: str) -> Any:
        """The operation of a path; one with fewer parameters is the closer one."""
        parts = path.strip("/").split("/")
        fitting = [
            (key, operation)
            for key, operation in self._operations.items()
            if key[0] == method and _fits(key[1].strip("/").split("/"), parts)
        ]
        return min(fitting, key=lambda item: item[0][1].count(":"), default=None)

    def _request(
        self, pointer: str, operation: Row, exchange: Row
    ) -> Iterator[tuple[str, str]]:
        content = operation.get("requestBody", {}).get("content", {})
        if not exchange["request"]:
            if operation.get("requestBody", {}).get("required"):
                yield "", "missing"
        elif "application/json" not in content:
            yield "", "unknown"
        else:
            schema = f"{pointer}/requestBody/content/application~1json/schema"
            yield from self._check(schema, json.loads(exchange["request"]))

    def _answer(
        self, pointer: str, operation: Row, exchange: Row
    ) -> Iterator[tuple[str, str]]:
        status = str(exchange["status"])
        if status not in operation["responses"]:
            yield "", "status unknown"
        elif "application/json" not in operation["responses"][status].get(
            "content", {}
        ):
            yield "", "no schema"
        else:
            schema = f"{pointer}/responses/{status}/content/application~1json/schema"
            yield from self._check(schema, exchange["answer"])

    def _check(self, schema: str, instance: Any) -> Iterator[tuple[str, str]]:
        validator = OAS30Validator({"$ref": schema}, registry=self._registry)
        for error in validator.iter_errors(instance):
            where = "".join(
                ".#" if isinstance(step, int) else f".{step}"
                for step in error.absolute_path
            )
            for name, problem in _problems(error):
                yield where + name, problem


def _parameters(operation: Row, exchange: Row) -> Iterator[tuple[str, str, str]]:
    known = {(each["in"], each["name"]): each for each in operation["parameters"]}
    query = dict(exchange["query"])
    for (place, name), each in known.items():
        if place == "path":
            continue
        given = query if place == "query" else exchange["headers"]
        value = given.get(name if place == "query" else name.lower())
        schema = each["schema"]
        if value is None:
            if each.get("required"):
                yield place, name, "missing"
        elif "enum" in schema and value not in schema["enum"]:
            yield place, name, "not in enum"
        elif schema.get("type") == "number" and not value.isdecimal():
            yield place, name, "a string"
    for name in query:
        if ("query", name) not in known:
            yield "query", name, "unknown"


def _problems(error: ValidationError) -> Iterator[tuple[str, str]]:
    match error.validator:
        case "additionalProperties":
            for name in error.instance.keys() - error.schema["properties"].keys():
                yield f".{name}", "unknown"
        case "required":
            missing = [n for n in error.validator_value if n not in error.instance]
            for name in missing:
                yield f".{name}", "missing"
        case "type" if error.instance is None:
            yield "", "null"
        case "type":
            kind = JSON_TYPES.get(type(error.instance), "number")
            yield "", f"a {kind}"
        case "enum":
            yield "", "not in enum"
        case _:
            yield "", str(error.validator)


def _closed(schema: Any) -> Any:
    """A copy in which no object takes keys that it does not name."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed


def _as_route(path: str) -> str:
    return path.replace("{", ":").replace("}", "")


def _escape(path: str) -> str:
    return (
        path.replace("~", "~0")
        .replace("/", "~1")
        .replace("{", "%7B")
        .replace("}", "%7D")
    )


def _fits(template: list[str], parts: list[str]) -> bool:
    return len(template) == len(parts) and all(
        name.startswith(":") or name == part
        for name, part in zip(template, parts, strict=True)
    )
