"""The full picture out of parts: how a `snapshot` is put together, of the present as of the past.

A part is one field of `messages.Status`, or the top or book of one market, encoded. What the event log tells (transitions,
lines, alerts, the latch) is folded from its messages by `Slices`, and by nothing else; so a snapshot of the past shows
what one taken then did.
Never: a part that is built differently for the present and the past.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from traderv3.console import messages
from traderv3.console.client import Wishes
from traderv3.console.status import TOP, Picture, encode

TRANSITIONS: Final = 500
REPLAYED: Final = 20  # transitions in a snapshot and in `history_replay`
LINES: Final = 500
BOOK: Final = "book/"
EVERYTHING: Final = Wishes()

# Parts that `Slices` folds; all other fields of the status are read from facts.
LOGGED_PARTS: Final = ("transitions", "risk", "log", "alerts")
READ_PARTS: Final = tuple(name for name in messages.Status.__struct_fields__ if name not in LOGGED_PARTS)
# Lists that come empty to whoever does not want the messages that would go on with them.
TOPIC_OF: Final = {
    "transitions": "state_transition",
    "log": "console",
    "alerts": "alert",
    "connection_events": "feed",
    "gaps": "feed",
}

Parts = dict[str, bytes]


class Slices:
    """What a snapshot shows of the event log. `risk` is None until the latch was asked."""

    def __init__(self) -> None:
        self.transitions: deque[messages.StateTransition] = deque(maxlen=TRANSITIONS)
        self.lines: deque[messages.ConsoleLine] = deque(maxlen=LINES)
        self.alerts: dict[str, messages.Alert] = {}
        self.risk: messages.Risk | None = None

    def take(self, data: messages.Message) -> None:
        """Fold one logged message; kinds that leave no trace in a snapshot are passed over."""
        match data:
            case messages.StateTransition():
                self.transitions.append(data)
            case messages.ConsoleLine():
                self.lines.append(data)
            case messages.Alert(is_active=True):
                self.alerts[data.id] = data
            case messages.Alert():
                self.alerts.pop(data.id, None)
            case messages.Risk():
                self.risk = data

    def parts(self) -> Parts:
        """The slices, encoded."""
        shown = (list(self.transitions)[-REPLAYED:], self.risk, list(self.lines), list(self.alerts.values()))
        return {name: encode(part) for name, part in zip(LOGGED_PARTS, shown, strict=True)}

    @classmethod
    def of(cls, parts: Mapping[str, bytes]) -> "Slices":
        """The slices that `parts` were made of, as far as a snapshot shows them."""
        slices = cls()
        slices.transitions.extend(msgspec.json.decode(parts["transitions"], type=list[messages.StateTransition]))
        slices.lines.extend(msgspec.json.decode(parts["log"], type=list[messages.ConsoleLine]))
        alerts = msgspec.json.decode(parts["alerts"], type=list[messages.Alert])
        slices.alerts.update((alert.id, alert) for alert in alerts)
        slices.risk = msgspec.json.decode(parts["risk"], type=messages.Risk | None)
        return slices


def read_parts(picture: Picture, watched: Iterable[str]) -> Parts:
    """Every part that is read from facts, with the whole books of the tickers `watched`."""
    status = picture.status([])
    parts = {name: encode(getattr(status, name)) for name in READ_PARTS}
    parts.update(picture.tops())
    parts.update((BOOK + ticker, book) for ticker, book in picture.books(watched).items())
    return parts


def assemble(
    parts: Mapping[str, bytes], slices: Slices, *, reason: str, dropped: int, wishes: Wishes = EVERYTHING
) -> bytes:
    """A `Snapshot`, encoded. Of lists only what is wished for is in it; the picture itself is always whole.

    Tops stand in the order in which their markets were chosen, books by ticker.
    """
    fields = {**{name: parts[name] for name in READ_PARTS}, **slices.parts()}
    fields.update((name, b"[]") for name, topic in TOPIC_OF.items() if not wishes.wants(topic))
    chosen = msgspec.json.decode(parts["markets"], type=list[str])
    watched = sorted(key.removeprefix(BOOK) for key in parts if key.startswith(BOOK))
    for name, kind, prefix, tickers in (("market_tops", "market", TOP, chosen), ("books", "book", BOOK, watched)):
        wanted = tickers if wishes is EVERYTHING else [ticker for ticker in tickers if wishes.wants(kind, ticker)]
        fields[name] = b"[%s]" % b",".join(parts[prefix + ticker] for ticker in wanted)
    fields["reason"], fields["dropped"] = encode(reason), encode(dropped)
    return b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), part) for name, part in fields.items())


def fold_actors(parts: Parts, changes: Iterable[messages.Actor]) -> None:
    """Bring the tree in `parts` up to what the event log said of actors after it was read, in that order."""
    news: dict[str, dict[str, Any]] = {}
    for change in changes:
        said = news.setdefault(change.name, {})
        said.update(status=change.status, since=change.timestamp, restarts=change.restarts, backoff_until=None)
        if change.last_error is not None:  # only an end has a cause
            said["last_error"] = change.last_error
    if not news:
        return
    tree = msgspec.json.decode(parts["supervision"], type=messages.SupervisionNode)
    parts["supervision"] = encode(_changed(tree, news))
    components = msgspec.json.decode(parts["components"], type=dict[str, messages.Component])
    for name, component in components.items():
        if name in news:
            components[name] = msgspec.structs.replace(component, **news[name], state=news[name]["status"])
    parts["components"] = encode(components)


def _changed(node: messages.SupervisionNode, news: Mapping[str, dict[str, Any]]) -> messages.SupervisionNode:
    children = [_changed(child, news) for child in node.children]
    return msgspec.structs.replace(node, children=children, **news.get(node.name, {}))
