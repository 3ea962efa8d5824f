"""One REST request as the routes see it: its parameters, its body read as strictly as the venue does, its refusals, pages.

Three error shapes: nested (`Refusal` from `rejection`), flat (decoding and content type), and `{"msg"}` for parameters.
Source: captures of June 2026; the Go decoder's sentences are the venue's own.
Never: an exception but `Refusal` for anything a client may send.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import msgspec

from traderv3.exchange.auth import Member
from traderv3.exchange.rate_limits import COST_DEFAULT, Budget

QUERY_FIELDS_MAX: Final = 128  # a hundred tickers may be named one by one
SUBACCOUNT_MAX: Final = 63
TIME_MAX_S: Final = 253_402_300_799  # the end of the year 9999
_DIGITS_MAX: Final = 12

Query = Mapping[str, str]
Body = dict[str, Any]
_Item = TypeVar("_Item")


class Refusal(Exception):
    """Ends a request with this status and body."""

    def __init__(self, status: int, body: Body) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def rejection(status: int, code: str, message: str | None = None, details: str | None = None) -> Refusal:
    """The nested shape."""
    error = {"code": code, "message": message or code.replace("_", " ")}
    if details is not None:
        error["details"] = details
    return Refusal(status, {"error": error})


def not_found() -> Refusal:
    """The venue's 404, the same for everything that is not there."""
    return rejection(404, "not_found")


def invalid(what: str) -> Refusal:
    """A parameter of the wrong form."""
    return Refusal(400, {"msg": f"Parameter validation failed for {what}"})


def undecodable(details: str) -> Refusal:
    """A body that the venue's decoder cannot read: the flat shape."""
    return Refusal(400, {"code": "bad_request", "message": "bad request", "details": details})


class Call(NamedTuple):
    """One request. `names` are the parts of the path that stand for something; `charge` bills more items of a batch."""

    member: Member | None
    names: tuple[str, ...]
    query: Query
    body: bytes
    charge: Callable[[int], None]

    @property
    def user_id(self) -> str:
        """The member who signed; only for private routes."""
        assert self.member is not None
        return self.member.user_id


class Route(NamedTuple):
    """One row of the router's table. In `path`, a part in braces stands for any name.

    `status` is that of success; `cost` is per item where `is_batch`, and the handler then charges.
    """

    method: str
    path: str
    handler: Callable[[Call], Any]
    is_private: bool = False
    status: int = 200
    budget: Budget = Budget.READ
    cost: int = COST_DEFAULT
    is_batch: bool = False


# -- the query -----------------------------------------------------------------------------------------------------


def read_query(text: str) -> dict[str, str]:
    """The parameters. A list is written with commas or by repeating its name; both read as the former."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
    except ValueError:
        raise invalid("the query string") from None
    query: dict[str, str] = {}
    for name, value in pairs:
        query[name] = f"{query[name]},{value}" if name in query else value
    return query


def number(query: Query, name: str, call: str, default: int) -> int:
    """A parameter that is a whole number from 0 up."""
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise invalid(f"{call}: {name} must be a number")
    return int(text)


def limit(query: Query, call: str, *, default: int = 100, most: int = 1000) -> int:
    """The size of a page."""
    size = number(query, "limit", call, default)
    if size > most:
        raise invalid(f"{call}: limit must be at most {most}")
    return size or default


def subaccount(query: Query, call: str) -> int | None:
    """The subaccount asked for; None where none is named."""
    if not query.get("subaccount"):
        return None
    given = number(query, "subaccount", call, 0)
    if given > SUBACCOUNT_MAX:
        raise invalid(f"{call}: subaccount must be at most {SUBACCOUNT_MAX}")
    return given


def names(query: Query, name: str) -> set[str] | None:
    """The names of a comma list; None where there is no such parameter."""
    given = {part for part in query.get(name, "").split(",") if part}
    return given or None


def times_us(query: Query, call: str) -> tuple[int, int]:
    """`min_ts` and `max_ts`, which are seconds, as a span that holds the whole last second."""
    earliest = number(query, "min_ts", call, 0)
    latest = number(query, "max_ts", call, TIME_MAX_S)
    return earliest * 1_000_000, latest * 1_000_000 + 999_999


def page(items: Iterable[_Item], name_of: Callable[[_Item], str], size: int, query: Query) -> tuple[list[_Item], str]:
    """One page and the cursor of the next, empty at the end.

    The cursor names the last item of its page, so that what comes in front meanwhile moves nothing; one that is not
    ours, or whose item is gone, starts again, as captured.
    """
    chosen: Sequence[_Item] = list(items)
    last = _last_of(query.get("cursor", ""))
    start = 0 if last is None else next((i + 1 for i, item in enumerate(chosen) if name_of(item) == last), 0)
    taken = list(chosen[start : start + size])
    is_end = start + len(taken) >= len(chosen)
    return taken, "" if is_end else b64encode(f"after:{name_of(taken[-1])}".encode()).decode()


def _last_of(cursor: str) -> str | None:
    try:
        text = b64decode(cursor, validate=True).decode()
    except ValueError:
        return None
    word, _, name = text.partition(":")
    return name if word == "after" else None


# -- the body ------------------------------------------------------------------------------------------------------

STRING: Final = "string"
INTEGER: Final = "int64"
BOOL: Final = "bool"
_GO_KINDS: Final = {STRING: str, INTEGER: int, BOOL: bool}
_INT64: Final = 2**63
_REQUIRED: Final = "!"


def required(kind: str) -> str:
    """Marks a member of a body that must be there."""
    return kind + _REQUIRED


def read_body(data: bytes, struct: str, members: Mapping[str, str]) -> Body:
    """The members of a JSON object that `members` names, each of its Go type; null is as absent. Raises `Refusal`."""
    return check_members(_decoded(data, struct), struct, members)


def read_list(data: bytes, struct: str, members: Mapping[str, str], *, most: int) -> list[Body]:
    """The `orders` of a batch, each read as by `read_body`; one that is unreadable refuses them all."""
    items = _decoded(data, struct).get("orders")
    if items is not None and not isinstance(items, list):
        raise undecodable(_cannot(items, f"{struct}.orders", "[]struct"))
    if not items or len(items) > most:
        raise invalid(f"{struct}: orders must have 1 to {most} items")
    for item in items:
        if not isinstance(item, dict):
            raise undecodable(_cannot(item, f"{struct}.orders", "struct"))
    return [check_members(item, f"{struct}.orders", members) for item in items]


def check_members(given: Body, struct: str, members: Mapping[str, str]) -> Body:
    """The given members that are known; unknown ones are passed over, as by Go's decoder."""
    read: Body = {}
    for name, mark in members.items():
        kind = mark.removesuffix(_REQUIRED)
        value = given.get(name)
        if value is None:
            if mark.endswith(_REQUIRED):
                raise invalid(f"{struct}: {name} is required")
            continue
        is_huge = isinstance(value, int) and not -_INT64 <= value < _INT64
        if type(value) is not _GO_KINDS[kind] or is_huge:
            raise undecodable(_cannot(value, f"{struct}.{name}", kind))
        read[name] = value
    return read


def _decoded(data: bytes, struct: str) -> Body:
    try:
        body = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise undecodable("invalid character in JSON") from None
    if not isinstance(body, dict):
        raise undecodable(f"json: cannot unmarshal {_json_kind(body)} into Go value of type {struct}")
    return body


def _cannot(value: object, member: str, kind: str) -> str:
    return f"json: cannot unmarshal {_json_kind(value)} into Go struct field {member} of type {kind}"


def _json_kind(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def moment(at_us: int) -> str:
    """RFC 3339 with as many digits of the second as there are, none to six, as the venue's REST prints times."""
    seconds, us = divmod(at_us, 1_000_000)
    text = datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{us:06d}".rstrip("0").rstrip(".")
    return f"{text}{fraction}Z"
