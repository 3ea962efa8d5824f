"""Fields that the venue sends and we do not know: found by looking at the keys of a sample of the messages.

Decoding passes over what it does not know, which is right and silent; this says what there is. Looking means decoding a
message once more, whole (2 us a delta, 30 us a long snapshot), so each type is looked at when it comes first on a
connection and then once in `every` calls; rare ones each time. A venue that adds a field adds it to every message of a
kind, so a sample finds it.
Source of the known names: the wire structs, and Kalshi's AsyncAPI (October 2026) for what we leave unread.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from traderv3.protocol import wire

EVERY: Final = 64
TOLD_MAX: Final = 64  # names reported on one connection; a venue that makes up names must not fill the log

_ENVELOPE: Final = frozenset({"type", "id", "sid", "seq", "msg", "sending_ts_ms"})


@dataclass(frozen=True, slots=True)
class Known:
    """The names that may stand in one type of message: beside `msg`, and in it."""

    envelope: frozenset[str]
    msg: frozenset[str]


def known(struct: type[msgspec.Struct], unread: Iterable[str] = ()) -> tuple[str, Known]:
    """The type's name, and the names that `struct` reads together with those in `msg` that it leaves `unread`."""
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    body: Any = fields.get("msg")
    is_read = isinstance(body, type) and issubclass(body, msgspec.Struct)
    read = {field.encode_name for field in msgspec.structs.fields(body)} if is_read else set()
    return str(struct.__struct_config__.tag), Known(_ENVELOPE | set(fields), frozenset(read | set(unread)))


BOOK_FIELDS: Final[Mapping[str, Known]] = dict(
    [
        known(wire.Snapshot),
        known(wire.Delta, ["market_id", "client_order_id", "subaccount"]),
        known(wire.Subscribed),
        known(wire.Ok),
        known(wire.Unsubscribed),
        known(wire.Error, ["market_id"]),
    ]
)


class FieldCensus:
    """Looks at one message in `every` of a group; the caller says what belongs to a group, and keeps them few."""

    def __init__(self, types: Mapping[str, Known]) -> None:
        self._types = types
        self._calls: dict[str, int] = {}
        self._told: set[str] = set()

    def look(self, group: str, raw: bytes, *, every: int = EVERY) -> list[str]:
        """Names in this message that nobody knows, as `type.field` or `type.msg.field`; nothing if its turn is not now."""
        calls = self._calls.get(group, 0)
        self._calls[group] = calls + 1
        if calls % every:
            return []
        try:
            message = msgspec.json.decode(raw)
        except wire.UNDECODABLE:
            return []
        kind = message.get("type") if isinstance(message, dict) else None
        names = self._types.get(kind) if isinstance(kind, str) else None
        if names is None:
            return []
        found = [f"{kind}.{name[:40]}" for name in message.keys() - names.envelope]
        body = message.get("msg")
        if names.msg and isinstance(body, dict):
            found += [f"{kind}.msg.{name[:40]}" for name in body.keys() - names.msg]
        return sorted(found)

    def is_news(self, name: str) -> bool:
        """Whether this name was not reported yet; true for the first `TOLD_MAX` names."""
        if name in self._told or len(self._told) >= TOLD_MAX:
            return False
        self._told.add(name)
        return True
