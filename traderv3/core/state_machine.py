"""One machine that is always in exactly one named state, by a table of who may follow whom.

The table is data (`StateTable`); this file only runs it. A transition: the target's entry action runs, the state
changes, then everybody is told. If the entry action fails the machine stays where it was and says so. A state may have
a time limit and a state to go to when it runs out.
Units: names in `_s` are seconds of Trio's clock.
Never: a transition that the table does not hold.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

import structlog
import trio

from traderv3.domain.errors import Reaction, TraderError

S = TypeVar("S", bound=StrEnum)

log = structlog.get_logger(component="state_machine")


class IllegalTransition(AssertionError):
    """The table holds no such edge: a bug in whoever asked."""


class EntryFailed(TraderError):
    """The entry action of the target state failed; the machine stayed where it was."""

    reaction = Reaction.REPORT


@dataclass(frozen=True, slots=True)
class StateTable(Generic[S]):
    """Every state with those it may leave to, in the order a reader would tell it; limits in seconds and where they lead."""

    edges: Mapping[S, frozenset[S]]
    initial: S
    final: frozenset[S]
    limits_s: Mapping[S, float] = field(default_factory=dict)
    overdue: Mapping[S, S] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.initial in self.edges
        assert all(target in self.edges for targets in self.edges.values() for target in targets)
        assert all(not self.edges[state] for state in self.final)
        assert set(self.limits_s) == set(self.overdue)
        assert all(target in self.edges[state] for state, target in self.overdue.items())


@dataclass(frozen=True, slots=True)
class Transition(Generic[S]):
    """One change of state, after it happened. `took_s` is how long the entry action and the change needed."""

    source: S
    target: S
    context: str
    took_s: float


EntryAction = Callable[[], Awaitable[None]]


class StateMachine(Generic[S]):
    """Runs a `StateTable`. `announce` is called after each transition, in order, and must not wait or raise."""

    def __init__(
        self,
        table: StateTable[S],
        announce: Callable[[Transition[S]], None],
        entry_actions: Mapping[S, EntryAction] | None = None,
        *,
        entry_s: float = 5.0,
    ) -> None:
        self.table = table
        self.state = table.initial
        self.context = ""
        self._announce = announce
        self._entry_actions = dict(entry_actions or {})
        self._entry_s = entry_s
        self._lock = trio.Lock()
        self._entered_at = self._limit_from = trio.current_time()

    def may(self, target: S) -> bool:
        """Whether the table holds an edge from the current state to `target`."""
        return target in self.table.edges[self.state]

    @property
    def held_s(self) -> float:
        """Seconds in the current state."""
        return trio.current_time() - self._entered_at

    async def to(self, target: S, context: str, *, only_from: S | None = None) -> bool:
        """Go to `target`, or stay and raise: `IllegalTransition` for no such edge, `EntryFailed` if its entry action failed.

        `context` is a sentence a person understands. Concurrent calls take their turns. With `only_from`, nothing
        happens if another call has left that state meanwhile; whether it moved is what is returned.
        """
        async with self._lock:
            source = self.state
            if only_from is not None and source is not only_from:
                return False
            if not self.may(target):
                msg = f"{source} -> {target} is not in the table ({context})"
                raise IllegalTransition(msg)
            began = trio.current_time()
            action = self._entry_actions.get(target)
            if action is not None:
                await self._enter(source, target, action)
            self.state, self.context = target, context
            self._entered_at = self._limit_from = trio.current_time()
            self._announce(Transition(source, target, context, self._entered_at - began))
            return True

    async def _enter(self, source: S, target: S, action: EntryAction) -> None:
        try:
            with trio.fail_after(self._entry_s):
                await action()
        except (TraderError, trio.TooSlowError) as exc:
            why = str(exc) or f"took over {self._entry_s:g} s"
            log.error("entry action failed, rolled back", from_state=source, to_state=target, why=why)
            msg = f"stays {source}: entering {target} failed: {why}"
            raise EntryFailed(msg) from exc

    @property
    def left_s(self) -> float:
        """Seconds until the current state's time limit, infinite where it has none."""
        return self.table.limits_s.get(self.state, float("inf")) - (trio.current_time() - self._limit_from)

    def excuse(self) -> None:
        """What the state waits for is known to take its time: its limit counts from now."""
        self._limit_from = trio.current_time()

    async def enforce_limit(self, because: str = "") -> bool:
        """If the current state's time has run out, go where the table says, telling what was waited for; True if it moved."""
        if self.left_s > 0:
            await trio.lowlevel.checkpoint()
            return False
        state = self.state
        why = f"{state} took longer than {self.table.limits_s[state]:g} s"
        return await self.to(self.table.overdue[state], f"{why}: {because}" if because else why, only_from=state)
