"""The actor that keeps the hub fed: transitions and actor changes as they happen, everything else by the clock.

    every tick (50 ms)   log lines, status and alerts if they changed
    0.1 s                tops and watched books that changed, and what trading shows          (while somebody looks)
    0.25 s               the tree if its structure or a status changed, mailboxes that changed      (while somebody looks)
    1 s                  heartbeat, status, feed, latency, lints; the past keeps the moment; who is blocked is cut off

In:    state changes as they happen; actor changes from the bus; log lines from the tap; the rest is read from the picture.
Out:   messages into the hub's outboxes. A client that has blocked its socket for `EVICT_S` is cut off.
Never: a wait for a browser.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import structlog
import trio

from traderv3.console import messages
from traderv3.console.hub import HEARTBEAT_S, Hub
from traderv3.console.lints import Linter, ended
from traderv3.console.log_tap import LogTap
from traderv3.core.event_bus import EventBus, handles
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import ActorChanged
from traderv3.domain.events import StateChanged
from traderv3.domain.health import OVER_NOW, Reason
from traderv3.domain.latency import Latency
from traderv3.domain.timestamps import rfc3339

log = structlog.get_logger(component="broadcaster")

TICK_S: Final = 0.05
MARKETS_S: Final = 0.1
TREE_S: Final = 0.25
EVICT_S: Final = 30.0
MARKETS_A_TURN: Final = 50  # then others have their turn on the loop


class Broadcaster:
    """Drives one hub. `loop_lag` is how late the loop wakes us."""

    name = "broadcaster"

    def __init__(
        self, hub: Hub, bus: EventBus, tap: LogTap, *, loop_lag: Latency, cut: Callable[[tuple[str, int]], None]
    ) -> None:
        self._hub = hub
        self._tap = tap
        self._loop_lag = loop_lag
        self._cut = cut
        self._linter = Linter(hub.picture.sources)
        self._bare_tree: messages.SupervisionNode | None = None  # as it was shown, without its mailboxes
        self._mailboxes: dict[str, messages.MailboxReport] = {}
        self._last_feed: messages.FeedReport | None = None
        self._last_glance: object = None
        self._trading: messages.Trading | None = None  # as it was shown
        bus.subscribe("console_actors", (ActorChanged,), handles(self._on_actor))

    async def run(self, lifeline: Lifeline) -> None:
        """Feed the hub until cancelled."""
        lifeline.started()
        due = beat_at = markets_at = tree_at = trio.current_time()
        while True:
            now = trio.current_time()
            self._loop_lag.note(max(0, int((now - due) * 1e6)), now_s=now)
            for line in self._tap.drain():
                self._hub.log("console", line)
            self._show_changes_of_status()
            if now >= beat_at or (self._hub.clients and now >= markets_at):
                markets_at = now + MARKETS_S
                await self._show_markets()
                self._show_trading()
            if self._hub.clients and now >= tree_at:
                tree_at = now + TREE_S
                self._show_tree()
            if now >= beat_at:
                beat_at = now + HEARTBEAT_S
                self._beat(now)
                lifeline.beat()
            due = trio.current_time() + TICK_S
            await trio.sleep_until(due)

    def record(self, event: StateChanged) -> None:
        """Take a transition into the log, at once, and the picture that it leads to into the past."""
        transition = messages.StateTransition(
            from_state=event.source.value,
            to_state=event.target.value,
            context=event.context,
            timestamp=rfc3339(event.at_us),
            metrics=self._hub.picture.metrics(),
            seq=None,
        )
        self._hub.log("state_transition", transition)
        self._hub.show("trader_status", "", self._hub.picture.trader_status(), is_urgent=True)
        self._hub.keep_moment()

    def _on_actor(self, event: ActorChanged) -> None:
        actor = messages.Actor(
            name=event.name,
            status=event.status.value,
            restarts=event.restarts,
            last_error=event.error,
            timestamp=rfc3339(event.at_us),
        )
        self._hub.log("actor", actor)

    def _beat(self, now: float) -> None:
        """What is due every second."""
        hub, picture = self._hub, self._hub.picture
        hub.heartbeat(picture.sources.numbers().loop_lag_ms)
        for alert in self._linter.look():
            hub.log("alert", alert)
        hub.show("trader_status", "", picture.trader_status())
        hub.show("latency", "", picture.latency())
        feed = picture.feed()
        if feed != self._last_feed:
            self._last_feed = feed
            hub.show("feed", "", feed)
        hub.keep_moment()
        self._evict_blocked(now)

    def _show_changes_of_status(self) -> None:
        """Send the status at once when what a person sees first has changed, and alerts as reasons come and go."""
        sources = self._hub.picture.sources
        health = sources.health()
        glance = (health.level, sources.feed.link, sources.feed.live)
        if glance != self._last_glance:
            self._last_glance = glance
            self._hub.show("trader_status", "", self._hub.picture.trader_status(), is_urgent=True)
        alerts = self._hub.slices.alerts
        active = {f"{r.component}/{r.level}": r for r in health.reasons}
        for key, reason in active.items():
            held = alerts.get(key)
            is_other = held is None or (held.message, held.since) != (reason.message, rfc3339(reason.since_us))
            if held is None or (is_other and not reason.message.startswith(OVER_NOW)):
                self._hub.log("alert", _alert(key, reason))
        for key, held in list(alerts.items()):
            if held.kind == "health" and key not in active:
                self._hub.log("alert", ended(held))

    async def _show_markets(self) -> None:
        """Show what changed. A thousand busy markets take several turns, so that nobody waits for them."""
        tickers = list(self._hub.picture.sources.feed.books)
        for at in range(0, len(tickers), MARKETS_A_TURN):
            self._hub.show_markets(tickers[at : at + MARKETS_A_TURN])
            if at + MARKETS_A_TURN < len(tickers):
                await trio.lowlevel.checkpoint()
        self._hub.show_books()

    def _show_trading(self) -> None:
        """Show what changed of positions, profit, limits, decisions and differences; orders and fills come by themselves."""
        now, before = self._hub.picture.sources.trading(), self._trading
        if now is before:
            return
        self._trading = now
        shown = {} if before is None else {position.ticker: position for position in before.positions or ()}
        for position in now.positions or ():
            if shown.get(position.ticker) != position:
                self._hub.show("position", position.ticker, position)
        for kind in ("pnl", "limits", "decision", "recon"):
            if before is None or getattr(now, kind) != getattr(before, kind):
                self._hub.show(kind, "", getattr(now, kind))

    def _show_tree(self) -> None:
        """Show the tree if anything but its mailboxes changed, else the mailboxes that did."""
        tree = self._hub.picture.supervision()
        mailboxes: dict[str, messages.MailboxReport] = {}
        bare = _without_mailboxes(tree, mailboxes)
        if bare != self._bare_tree:
            self._hub.show("supervision", "", messages.Supervision(tree=tree))
        else:
            for name, mailbox in mailboxes.items():
                if self._mailboxes.get(name) != mailbox:
                    self._hub.show("mailbox", name, messages.Mailbox(name=name, mailbox=mailbox))
        self._bare_tree, self._mailboxes = bare, mailboxes

    def _evict_blocked(self, now: float) -> None:
        for client in self._hub.clients:
            blocked_s = 0.0 if client.sending_since is None else now - client.sending_since
            if blocked_s > EVICT_S and client.peer is not None:
                log.warning(
                    "a console that does not read is cut off", client=client.client_id, blocked_s=round(blocked_s)
                )
                self._cut(client.peer)


def _without_mailboxes(
    node: messages.SupervisionNode, found: dict[str, messages.MailboxReport]
) -> messages.SupervisionNode:
    """The same tree without mailboxes, which are put into `found` by the actor's name."""
    if node.mailbox is not None:
        found[node.name] = node.mailbox
    children = [_without_mailboxes(child, found) for child in node.children]
    return msgspec.structs.replace(node, mailbox=None, children=children)


def _alert(key: str, reason: Reason) -> messages.Alert:
    return messages.Alert(
        id=key,
        kind="health",
        count=1,
        level="error" if reason.level.value == "unhealthy" else "warning",
        component=reason.component,
        message=reason.message,
        since=rfc3339(reason.since_us),
        is_active=True,
    )
