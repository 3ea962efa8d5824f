"""What a trader stands on: sockets, processes, threads, disk, signals. A simulation hands in its own.

Never: a decision; nothing here is opened before an actor asks for it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from traderv3.clients.door import SOCKETS, Wires
from traderv3.config.limits import LIMITS
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import ChildSpec, SupervisorSpec
from traderv3.core.watchdog import LoopWatchdog, end_process
from traderv3.domain.tape import Tape
from traderv3.exchange.process import Announcement, ExchangeProcess
from traderv3.storage.archive import StorageMeans
from traderv3.trading.kill_switch import Signals, hear_signals


class Runs(Protocol):
    """Something that a supervisor keeps alive."""

    async def run(self, lifeline: Lifeline) -> None: ...


class ConsoleServer(Runs, Protocol):
    """What serves the console; `console.web_server.WebServer` is one."""

    is_serving: bool

    @property
    def port(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Outside:
    """`overhear` may listen to the tape, `dress` wrap each actor; `abort` ends a process whose actor cannot be stopped.

    `kill_signals` is None where no signal is ours to hear.
    """

    wires: Wires = SOCKETS
    exchange: Callable[[Path, Callable[[Announcement], None]], Runs] = ExchangeProcess
    watchdog: Callable[[], LoopWatchdog] = lambda: LoopWatchdog(stall_s=LIMITS.stall_s)
    storage: StorageMeans = field(default_factory=StorageMeans)
    overhear: Callable[[Tape], Tape] = lambda tape: tape
    dress: Callable[[ChildSpec], ChildSpec] = lambda spec: spec
    abort: Callable[[str], None] = end_process
    kill_signals: Callable[[], Signals] | None = hear_signals

    def dressed(self, spec: SupervisorSpec) -> SupervisorSpec:
        """A whole tree with each actor dressed."""
        children = (
            self.dressed(child) if isinstance(child, SupervisorSpec) else self.dress(child) for child in spec.children
        )
        return replace(spec, children=tuple(children))


REAL: Final = Outside()
