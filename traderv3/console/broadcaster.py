"""The actor that keeps the hub fed: transitions and actor changes as they happen, status and markets by the clock.

In:    state changes as they happen; actor changes from the bus; log lines from the tap; the rest is read from the picture.
Out:   messages into the hub's outboxes. A client that has blocked its socket for `EVICT_S` is cut off.
Never: a wait for a browser.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import structlog
import trio

from traderv3.console import messages
from traderv3.console.hub import HEARTBEAT_S, Hub
from traderv3.console.status import market_top
from traderv3.core.event_bus import EventBus, handles
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import ActorChanged
from traderv3.domain.events import StateChanged
from traderv3.domain.health import Reason
from traderv3.domain.timestamps import rfc3339

log = structlog.get_logger(component="broadcaster")

TICK_S: Final = 0.05
MARKETS_S: Final = 0.1
TREE_S: Final = 0.25
EVICT_S: Final = 30.0
TAP_LINES: Final = 1_000  # lines that wait for the next tick


class LogTap:
    """Takes log lines from any thread, bounded; the broadcaster fetches them."""

    def __init__(self) -> None:
        self._lines: deque[messages.ConsoleLine] = deque(maxlen=TAP_LINES)
        self.dropped = 0

    def take_line(self, level: str, timestamp: str, component: str, event: str, fields: Mapping[str, object]) -> None:
        """Keep one line of the log from level info; the oldest goes when nobody fetched for long. Safe in any thread."""
        if level == "debug" or event == "state_transition":  # transitions have a message of their own
            return
        context = " ".join(f"{name}={value}" for name, value in fields.items() if name != "exception")
        message = f"{component}: {event}"
        line = messages.ConsoleLine(level=level, timestamp=timestamp, message=message, context=context)  # type: ignore[arg-type]
        self.dropped += len(self._lines) == TAP_LINES
        self._lines.append(line)

    def drain(self) -> list[messages.ConsoleLine]:
        """All lines since the last call."""
        lines = []
        while self._lines:
            lines.append(self._lines.popleft())
        return lines


class Broadcaster:
    """Drives one hub."""

    name = "broadcaster"

    def __init__(self, hub: Hub, bus: EventBus, tap: LogTap, *, cut: Callable[[tuple[str, int]], None]) -> None:
        self._hub = hub
        self._tap = tap
        self._cut = cut
        self._sent_updates: dict[str, tuple[int, str, str | None]] = {}
        self._last_tree: object = None
        self._tree_due = 0.0
        self._last_glance: object = None
        bus.subscribe("console_actors", (ActorChanged,), handles(self._on_actor))

    async def run(self, lifeline: Lifeline) -> None:
        """Feed the hub until cancelled."""
        lifeline.started()
        beat_at = markets_at = tree_at = trio.current_time()
        while True:
            now = trio.current_time()
            for line in self._tap.drain():
                self._hub.log("console", line)
            self._show_changes_of_status()
            if now >= markets_at:
                markets_at = now + MARKETS_S
                self._show_markets()
            if now >= tree_at:
                tree_at = now + TREE_S
                self._show_tree(now)
            if now >= beat_at:
                beat_at = now + HEARTBEAT_S
                self._hub.heartbeat(self._hub.picture.sources.numbers().loop_lag_ms)
                self._hub.show("trader_status", "", self._hub.picture.trader_status())
                self._evict_blocked(now)
                lifeline.beat()
            await trio.sleep(TICK_S)

    def record(self, event: StateChanged) -> None:
        """Take a transition into the log, at once."""
        transition = messages.StateTransition(
            from_state=event.source.value,
            to_state=event.target.value,
            context=event.context,
            timestamp=rfc3339(event.at_us),
            metrics=self._hub.picture.metrics(),
        )
        self._hub.log("state_transition", transition)
        self._hub.show("trader_status", "", self._hub.picture.trader_status(), is_urgent=True)

    def _on_actor(self, event: ActorChanged) -> None:
        actor = messages.Actor(
            name=event.name,
            status=event.status.value,
            restarts=event.restarts,
            last_error=event.error,
            timestamp=rfc3339(event.at_us),
        )
        self._hub.log("actor", actor)

    def _show_changes_of_status(self) -> None:
        """Send the status at once when what a person sees first has changed, and alerts as reasons come and go."""
        sources = self._hub.picture.sources
        health = sources.health()
        glance = (health.level, sources.feed.link, sources.feed.live)
        if glance != self._last_glance:
            self._last_glance = glance
            self._hub.show("trader_status", "", self._hub.picture.trader_status(), is_urgent=True)
        active = {f"{r.component}/{r.level}": r for r in health.reasons}
        for key, reason in active.items():
            held = self._hub.alerts.get(key)
            if held is None or held.message != reason.message:
                self._hub.log("alert", _alert(key, reason, is_active=True))
        for key, held in list(self._hub.alerts.items()):
            if key not in active:
                self._hub.log("alert", _ended(held))

    def _show_markets(self) -> None:
        feed = self._hub.picture.sources.feed
        for ticker, book in feed.books.items():
            mark = (book.updates, book.state.value, feed.statuses.get(ticker))
            if self._sent_updates.get(ticker) != mark:
                self._sent_updates[ticker] = mark
                self._hub.show("market", ticker, market_top(book, feed.statuses.get(ticker)))

    def _show_tree(self, now: float) -> None:
        if not self._hub.clients:
            return
        tree = self._hub.picture.supervision()
        if tree != self._last_tree or now >= self._tree_due:
            self._last_tree, self._tree_due = tree, now + HEARTBEAT_S
            self._hub.show("supervision", "", messages.Supervision(tree=tree))

    def _evict_blocked(self, now: float) -> None:
        for client in self._hub.clients:
            blocked_s = 0.0 if client.sending_since is None else now - client.sending_since
            if blocked_s > EVICT_S and client.peer is not None:
                log.warning(
                    "a console that does not read is cut off", client=client.client_id, blocked_s=round(blocked_s)
                )
                self._cut(client.peer)


def _alert(key: str, reason: Reason, *, is_active: bool) -> messages.Alert:
    return messages.Alert(
        id=key,
        level="error" if reason.level.value == "unhealthy" else "warning",
        component=reason.component,
        message=reason.message,
        since=rfc3339(reason.since_us),
        is_active=is_active,
    )


def _ended(alert: messages.Alert) -> messages.Alert:
    return messages.Alert(
        id=alert.id,
        level=alert.level,
        component=alert.component,
        message=alert.message,
        since=alert.since,
        is_active=False,
    )
