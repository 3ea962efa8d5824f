"""What befalls actors: one raises, one stops in the middle of whatever it does, one dies while it starts or stops.

Each actor of the tree is dressed before it is supervised; undisturbed, the dress adds nothing. An actor that is frozen
stays at its next wait, with everything it holds, until its supervisor cancels it; the tasks below it live on.
"""

import types
from collections.abc import Awaitable, Callable, Generator
from dataclasses import replace
from typing import Any, Final

import trio

from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import ChildSpec

POLL_S: Final = 0.25  # how soon a frozen actor sees that it is cancelled
STOP_HANG_S: Final = 2.0  # less than a child's `cancel_s`: longer ends the process, which other tests show

RAISE_AT_START: Final = "raises at its start"
HANG_AT_START: Final = "waits for ever at its start"
RAISE_AT_STOP: Final = "raises at its stop"
HANG_AT_STOP: Final = "is slow to stop"


class Mishap(Exception):
    """A bug that an actor might have. Foreseen by nobody."""


class Actors:
    """The actors of one trader by name. `ills` is what befalls the next start or end of one."""

    def __init__(self) -> None:
        self.ills: dict[str, list[str]] = {}
        self.running: dict[str, int] = {}  # how many of each name; more than one is one that outlived its supervisor
        self.running_since: dict[str, float] = {}  # those that run and are not frozen
        self.frozen: set[str] = set()
        self._scopes: dict[str, trio.CancelScope] = {}
        self._first: dict[
            str, Lifeline
        ] = {}  # of each actor's first start: one that fails ends the trader, as it should

    def dress(self, spec: ChildSpec) -> ChildSpec:
        """The same actor, within our reach."""

        async def run(lifeline: Lifeline) -> None:
            await self._run(spec, lifeline)

        return replace(spec, run=run)

    def raises(self, name: str) -> bool:
        """End an actor with an error, now; False if it does not run, or never came up."""
        if not self._is_up(name):
            return False
        self._scopes[name].cancel()
        return True

    def freeze(self, name: str) -> bool:
        """Stop an actor at its next wait; False if it does not run, or never came up."""
        if not self._is_up(name):
            return False
        self.frozen.add(name)
        self.running_since.pop(name, None)
        return True

    def _is_up(self, name: str) -> bool:
        return name in self._scopes and self._first[name].is_started

    async def _run(self, spec: ChildSpec, lifeline: Lifeline) -> None:
        name = spec.name
        self._first.setdefault(name, lifeline)
        if self._takes(name, RAISE_AT_START):
            await trio.lowlevel.checkpoint()
            raise Mishap(RAISE_AT_START)
        if self._takes(name, HANG_AT_START):
            await trio.sleep_forever()
        self.running[name] = self.running.get(name, 0) + 1
        self.running_since[name] = trio.current_time()
        scope = self._scopes[name] = trio.CancelScope()
        try:
            with scope:
                await freezable(spec.run, lifeline, lambda: name in self.frozen)
            if scope.cancelled_caught:
                raise Mishap("raises")
        finally:
            self.frozen.discard(name)
            self.running[name] -= 1
            self.running_since.pop(name, None)
            if self._scopes.get(name) is scope:
                del self._scopes[name]
            if self._takes(name, HANG_AT_STOP):
                with trio.CancelScope(shield=True, deadline=trio.current_time() + STOP_HANG_S):
                    await trio.sleep_forever()
            if self._takes(name, RAISE_AT_STOP):
                raise Mishap(RAISE_AT_STOP)

    def _takes(self, name: str, ill: str) -> bool:
        ills = self.ills.get(name, [])
        if ill not in ills:
            return False
        ills.remove(ill)
        return True


async def _rest() -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(POLL_S)


@types.coroutine
def freezable(
    run: Callable[[Lifeline], Awaitable[None]], lifeline: Lifeline, is_frozen: Callable[[], bool]
) -> Generator[Any, Any, None]:
    """Run an actor step by step; while `is_frozen`, it is not told that what it waited for has come, its own time limits
    included, until whoever runs it cancels it. (Trio tells a task by sending it an outcome.)
    """
    outside = trio.lowlevel.current_task()._cancel_status  # noqa: SLF001 - no public way to ask for that of an outer scope
    inner: Any = run(lifeline)
    told: Any = None
    while True:
        try:
            wanted = inner.send(told)
        except StopIteration:
            return
        told = yield wanted
        while is_frozen() and not outside.effectively_cancelled:
            yield from _rest().__await__()
