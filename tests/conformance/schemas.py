"""The venue's own documents as a judge: is this message, this command, this REST answer what they promise?

Source: ../shared/kalshi-spec (AsyncAPI 2.0.0 and OpenAPI 3.34.0 of 2026-10-26). Judged stricter than written: members that the
documents do not know are refused (a misspelt optional member would pass otherwise), printed prices, counts and money
must have the venue's decimals, and formats (uuid, date-time, int64) count.
REST errors are judged by the four shapes seen on the wire (protocol page 6.6); the document's own shape is one of them.
Never: part of the product; nothing of the documents is copied into the repository.
"""

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError, best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

BASE: Final = "/trade-api/v2"

PRICE: Final = r"^-?\d+\.\d{4}$"
COUNT: Final = r"^-?\d+\.\d{2}$"
MONEY: Final = r"^-?\d+\.\d{4,6}$"
REST_DOLLARS: Final = r"^-?\d+\.\d{4,6}$"  # "responses emit up to 6"; 4 are the fewest captured

# How the venue's own program prints a number, by a part of the name that the document gives its printer.
_PRINTED: Final = (("price_dollars", PRICE), ("fixed_point_count", COUNT), ("value_", MONEY))
_NAMED: Final = {"FixedPointDollars": REST_DOLLARS, "FixedPointCount": COUNT}

# Members that the document gave up and the exchange still prints, because a client in the wild needs them.
_OUTLIVED: Final = {"Market": {"liquidity_dollars": {"type": "string", "pattern": REST_DOLLARS}}}  # kalshi-sdk 22.4.0

_ERROR: Final = {
    "type": "object",
    "properties": {name: {"type": "string", "minLength": 1} for name in ("code", "message", "details")},
    "required": ["code", "message"],
    "additionalProperties": False,
}
ERROR_SHAPES: Final = {
    "oneOf": [
        {"type": "object", "properties": {"error": _ERROR}, "required": ["error"], "additionalProperties": False},
        _ERROR,
        {
            "type": "object",
            "properties": {"msg": {"type": "string", "minLength": 1}},
            "required": ["msg"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"error": {"const": "too many requests"}},
            "required": ["error"],
            "additionalProperties": False,
        },
    ]
}
_OUTAGE_STATUSES: Final = frozenset({"503", "504"})  # of /exchange/status: the body is the status itself

_FORMATS: Final = FormatChecker(formats=())
_INSTANT: Final = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$")


@_FORMATS.checks("uuid", raises=ValueError)
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or str(uuid.UUID(value)) == value


@_FORMATS.checks("date-time", raises=ValueError)
def _is_instant(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return _INSTANT.match(value) is not None and datetime.fromisoformat(value[:19]).year > 0


@_FORMATS.checks("int64")
def _is_int64(value: object) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


@_FORMATS.checks("int32")
def _is_int32(value: object) -> bool:
    return not isinstance(value, int) or -(2**31) <= value < 2**31


class Unfit(AssertionError):
    """What was judged is not what the document promises; the text says where and why."""


class _Route(NamedTuple):
    method: str
    path: str  # as the document writes it
    pattern: re.Pattern[str]
    parameters: int
    answers: Mapping[str, Any]  # by status, the schema of the body; None: no body


class VenueSchemas:
    """Both documents, ready to judge. Loading takes half a second; make one for the whole run."""

    def __init__(self, folder: Path) -> None:
        async_api, open_api = (_loaded(folder / name) for name in ("asyncapi.yaml", "openapi.yaml"))
        self._registry: Registry[Any] = Registry().with_resources(
            (f"urn:{name}", Resource.from_contents(_strict(document), default_specification=DRAFT202012))
            for name, document in (("ws", async_api), ("rest", open_api))
        )
        self.messages: dict[str, dict[str, Draft202012Validator]] = {}  # by `type`, then by schema
        self.commands: dict[str, dict[str, Draft202012Validator]] = {}  # by `cmd`, then by schema
        for name, schema in async_api["components"]["schemas"].items():
            properties = schema.get("properties", {})
            for member, found in (("type", self.messages), ("cmd", self.commands)):
                word = properties.get(member, {}).get("const")
                if word is not None:
                    validator = self._validator(f"urn:ws#/components/schemas/{name}")
                    found.setdefault(word, {})[name] = validator
        self._routes = list(self._read_routes(open_api))
        self._errors = Draft202012Validator(ERROR_SHAPES)

    def _validator(self, reference: str) -> Draft202012Validator:
        return Draft202012Validator({"$ref": reference}, registry=self._registry, format_checker=_FORMATS)

    def _read_routes(self, document: Mapping[str, Any]) -> Iterable[_Route]:
        for path, verbs in document["paths"].items():
            pattern = re.compile("^" + re.sub(r"\\{[a-z_]+\\}", "[^/]+", re.escape(path)) + "$")
            for method, verb in verbs.items():
                if "responses" in verb:
                    at = f"urn:rest#/paths/{path.replace('~', '~0').replace('/', '~1')}/{method}/responses"
                    answers = {
                        status: self._validator(f"{at}/{status}/content/application~1json/schema")
                        if "content" in answer
                        else None
                        for status, answer in verb["responses"].items()
                        if "$ref" not in answer
                    }
                    refused = {status: None for status, answer in verb["responses"].items() if "$ref" in answer}
                    yield _Route(method.upper(), path, pattern, path.count("{"), refused | answers)

    # -- verdicts ------------------------------------------------------------------------------------------------------

    def check_message(self, data: bytes) -> str:
        """Judge one text frame of the venue's; returns the name of the schema that it fits, or raises `Unfit`."""
        return self._check_one(data, self.messages, "type")

    def check_command(self, data: bytes) -> str:
        """Judge one command of ours; returns the name of the schema that it fits, or raises `Unfit`."""
        return self._check_one(data, self.commands, "cmd")

    def check_answer(self, method: str, path: str, status: int, body: bytes) -> None:
        """Judge one REST answer, or raise `Unfit`. `path` from the root, with or without its query."""
        inner = path.partition("?")[0].removeprefix(BASE)
        if status >= 400 and not (inner == "/exchange/status" and str(status) in _OUTAGE_STATUSES):
            _judge([("error", self._errors)], _decoded(body), f"{method} {path} -> {status}")
            return
        route = self._route(method, inner)
        if route is None:
            msg = f"{method} {inner} is not in the document, and was answered with {status}"
            raise Unfit(msg)
        if str(status) not in route.answers:
            msg = f"{method} {inner} may not answer {status}, only {', '.join(route.answers)}"
            raise Unfit(msg)
        validator = route.answers[str(status)]
        if validator is None:
            if body:
                msg = f"{method} {inner} -> {status} has no body in the document, but {body[:80]!r}"
                raise Unfit(msg)
            return
        _judge([(inner, validator)], _decoded(body), f"{method} {path} -> {status}")

    def template(self, method: str, path: str) -> str:
        """The path as the document writes it; the path itself if it is not there."""
        inner = path.partition("?")[0].removeprefix(BASE)
        route = self._route(method, inner)
        return inner if route is None else route.path

    def _route(self, method: str, inner: str) -> _Route | None:
        routes = [route for route in self._routes if route.method == method and route.pattern.match(inner)]
        return min(routes, key=lambda each: each.parameters, default=None)

    def _check_one(self, data: bytes, known: Mapping[str, Mapping[str, Draft202012Validator]], member: str) -> str:
        message = _decoded(data)
        word = message.get(member) if isinstance(message, dict) else None
        if not isinstance(word, str) or word not in known:
            msg = f"no schema for {member} {word!r}: {data[:200]!r}"
            raise Unfit(msg)
        return _judge(known[word].items(), message, data[:400].decode("utf-8", "replace").rstrip())


def _judge(candidates: Iterable[tuple[str, Draft202012Validator]], value: Any, shown: str) -> str:
    """The first schema that fits; else `Unfit` with the complaint of the one that comes nearest."""
    complaints: list[tuple[int, str, ValidationError]] = []
    for name, validator in candidates:
        errors = list(validator.iter_errors(value))
        if not errors:
            return name
        worst = best_match(errors)
        assert worst is not None
        complaints.append((len(errors), name, worst))
    _, name, error = min(complaints, key=lambda each: each[0])
    msg = f"{shown}\nis no {name}: {error.json_path}: {error.message[:300]}"
    raise Unfit(msg)


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as cause:
        msg = f"not JSON ({cause}): {data[:200]!r}"
        raise Unfit(msg) from None


def _loaded(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        document = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    assert isinstance(document, dict)
    return document


def _strict(value: Any, *, key: str = "", is_open: bool = False) -> Any:
    """A document with its schemas in the dialect of today and tightened as the module says."""
    if isinstance(value, list):
        return [_strict(each, is_open=is_open or key == "allOf") for each in value]
    if not isinstance(value, dict):
        return value
    if key == "properties":
        return {name: _strict(schema, key="a property") for name, schema in value.items()}
    schema = {
        member: _strict(each, key=member if key != "schemas" else f"schema {member}")
        for member, each in value.items()
        if member not in ("example", "examples", "nullable")
    }
    if outlived := _OUTLIVED.get(key.removeprefix("schema ")):
        schema["properties"] = schema["properties"] | outlived
    if "properties" in schema and not is_open:
        schema.setdefault("additionalProperties", False)
    printer = str(value.get("x-rust-serialize-with", ""))
    for part, pattern in _PRINTED:
        if part in printer:
            schema["pattern"] = pattern
            break
    if key.removeprefix("schema ") in _NAMED and value.get("type") == "string":
        schema["pattern"] = _NAMED[key.removeprefix("schema ")]
    if value.get("type") == "array" and value.get("minItems") == value.get("maxItems") == 2:
        schema["prefixItems"] = [{"type": "string", "pattern": pattern} for pattern in (PRICE, COUNT)]  # a level
    return {"anyOf": [{"type": "null"}, schema]} if value.get("nullable") is True else schema
