"""Supervision as data: what to run, when to start it again, when to give up; and the report of how it went.

Semantics follow Erlang/OTP's `supervisor`: restart kinds permanent, transient (only after an error) and temporary
(never); strategies one_for_one, rest_for_one and one_for_all; an intensity shared by the children of one supervisor.
Units: names in `_s` are seconds, in `_us` microseconds since the epoch.
"""

import enum
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from traderv3.core.lifeline import Lifeline
from traderv3.core.mailbox import MailboxStats
from traderv3.domain.errors import Reaction, TraderError


class Restart(enum.StrEnum):
    """After which end a child is started again."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"

    def is_due(self, error: BaseException | None) -> bool:
        """Whether a child of this kind, having ended with `error` or None, is started again."""
        return self is Restart.PERMANENT or (self is Restart.TRANSIENT and error is not None)


class Strategy(enum.StrEnum):
    """Who is restarted with a child that ended: itself, it and those started after it, or all."""

    ONE_FOR_ONE = "one_for_one"
    REST_FOR_ONE = "rest_for_one"
    ONE_FOR_ALL = "one_for_all"


class Status(enum.StrEnum):
    """Where a child is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPED = "stopped"
    FAILED = "failed"


class StartFailed(TraderError):
    """A child ended or ran out of time before it was ready."""

    reaction = Reaction.HALT


class HeartbeatLost(TraderError):
    """A child's heartbeat is older than its period: it hangs."""

    reaction = Reaction.HALT


class Killed(TraderError):
    """A person or a test ended the child on purpose, as if it had crashed."""

    reaction = Reaction.RETRY


@dataclass(frozen=True, slots=True)
class Backoff:
    """The wait before the n-th restart in a row: `first_s` doubling up to `most_s`, shortened by up to `jitter` of itself."""

    first_s: float = 0.1
    most_s: float = 10.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        assert 0 <= self.first_s <= self.most_s
        assert 0 <= self.jitter <= 1

    def delay_s(self, streak: int, rng: random.Random) -> float:
        """Seconds to wait before restart number `streak` (1 for the first)."""
        assert streak >= 1
        full = min(self.first_s * 2.0 ** min(streak - 1, 60), self.most_s)
        return full * (1 - self.jitter * rng.random())


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """One actor to run.

    A stop sets `Lifeline.stopping`, waits `grace_s`, cancels, waits `cancel_s`, and then ends the process.
    `heartbeat_s` (None: not watched) is the longest silence after which the child counts as hung.
    """

    name: str
    run: Callable[[Lifeline], Awaitable[None]]
    restart: Restart = Restart.PERMANENT
    start_s: float = 30.0
    grace_s: float = 0.0
    cancel_s: float = 3.0
    heartbeat_s: float | None = None
    mailbox: Callable[[], MailboxStats] | None = None

    def __post_init__(self) -> None:
        assert self.name
        assert self.start_s > 0
        assert self.grace_s >= 0
        assert self.cancel_s > 0
        assert self.heartbeat_s is None or self.heartbeat_s > 0

    @property
    def stop_s(self) -> float:
        """The longest a stop of this child takes."""
        return self.grace_s + self.cancel_s


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorSpec:
    """Children in start order and the policy over them: more than `restarts_max` restarts in `period_s` escalate.

    A child that ran `healthy_s` starts its backoff anew.
    """

    name: str
    strategy: Strategy
    children: "tuple[ChildSpec | SupervisorSpec, ...]"
    restart: Restart = Restart.PERMANENT
    restarts_max: int = 5
    period_s: float = 60.0
    healthy_s: float = 30.0
    backoff: Backoff = field(default_factory=Backoff)

    def __post_init__(self) -> None:
        names = [child.name for child in self.children]
        assert len(names) == len(set(names)), f"{self.name}: two children share a name"
        assert self.restarts_max >= 0
        assert self.period_s > 0

    @property
    def start_s(self) -> float:
        """The longest an ordered start of all children takes."""
        return sum(child.start_s for child in self.children) + 1.0

    @property
    def stop_s(self) -> float:
        """The longest an ordered stop of all children takes."""
        return sum(child.stop_s for child in self.children) + 1.0

    @property
    def grace_s(self) -> float:
        """A supervisor that is asked to stop needs the time of an ordered stop."""
        return self.stop_s

    @property
    def cancel_s(self) -> float:
        """One that is cancelled still waits for each child."""
        return self.stop_s


@dataclass(frozen=True, slots=True)
class Budget:
    """How many restarts a supervisor's children had in its period, and how many it allows before it escalates."""

    used: int
    most: int
    period_s: float


@dataclass(frozen=True, slots=True)
class NodeReport:
    """One node of the tree as it is now. `strategy` and `budget` are None for a worker, whose `children` is empty.

    `backoff_until_us` is when the next start is due, None unless the child waits for it.
    """

    name: str
    strategy: Strategy | None
    status: Status
    since_us: int
    restarts: int
    last_error: str | None
    mailbox: MailboxStats | None
    children: "tuple[NodeReport, ...]"
    budget: Budget | None = None
    backoff_until_us: int | None = None


@dataclass(frozen=True, slots=True)
class ActorChanged:
    """A fact for the bus: a child's status changed. `error` says why where the change is an end."""

    name: str
    status: Status
    restarts: int
    error: str | None
    at_us: int
