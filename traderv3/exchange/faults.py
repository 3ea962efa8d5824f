"""What the exchange does wrong on purpose: probabilities and seconds, drawn from one seeded source.

Spelling: `drop=0.001,duplicate=0.001,silent_after=30`; `FAULTS` lists every name with its largest value and its meaning.
Never: a lost, doubled or garbled answer to a command, so that a client that repairs itself is not starved. (An answer
may be late behind delayed frames, or be code 18, where that is asked for.)
"""

import random
from dataclasses import dataclass
from typing import Final, NamedTuple

SECONDS_MAX: Final = 86_400.0
COUNT_MAX: Final = 1_000_000.0


class FaultProblem(ValueError):
    """A fault specification that cannot be read; the message says which part and why."""


class Kind(NamedTuple):
    """The largest value of one fault, and what it means to the person who types it."""

    most: float
    sign: str
    meaning: str


FAULTS: Final[dict[str, Kind]] = {
    # Drawn once for each data frame; together at most 1.
    "drop": Kind(1.0, "P", "a frame is lost, its sequence number is used up"),
    "duplicate": Kind(1.0, "P", "a frame comes twice"),
    "garbage": Kind(1.0, "P", "an unreadable frame in place of one"),
    "abort": Kind(1.0, "P", "the connection is reset"),
    "reorder": Kind(1.0, "P", "a frame changes places with the next"),
    "overflow": Kind(1.0, "P", "the stream ends with code 25"),
    "terminal": Kind(1.0, "P", "the stream ends with code 10"),
    # Of a connection.
    "command_timeout": Kind(1.0, "P", "a command is answered with code 18 and not carried out"),
    "delay": Kind(60.0, "S", "every data frame is that late, in order"),
    "silent_after": Kind(SECONDS_MAX, "S", "then a connection says nothing more while TCP stays up"),
    "pings_stop": Kind(SECONDS_MAX, "S", "then a connection gets no more pings, all else goes on"),
    "refuse_upgrade": Kind(COUNT_MAX, "N", "the next N reconnects of a key that was admitted before get 401"),
    # Of REST and of the order of private messages.
    "stale_reads": Kind(60.0, "S", "portfolio reads are that old"),
    "lose_ack": Kind(1.0, "P", "an order write is carried out and the connection dropped before the answer"),
    "rest_error": Kind(1.0, "P", "a REST call gets 503; a write is then carried out or not, by a coin"),
    "slow_rest": Kind(60.0, "S", "every REST answer is that late"),
    "fill_before_ack": Kind(60.0, "S", "an answer to an order write is that late, its messages are not"),
    "fill_after_ack": Kind(60.0, "S", "private messages are that late"),
    "trade_before_fill": Kind(1.0, "1", "public trades of one action precede its private messages"),
    "fill_before_trade": Kind(1.0, "1", "private messages of one action precede its public trades"),
    # Of everybody.
    "maintenance": Kind(SECONDS_MAX, "S", "all are disconnected at once and trading pauses that long"),
    "maintenance_after": Kind(SECONDS_MAX, "S", "when that begins, counted from the setting of the fault"),
}
FRAME_FAULTS: Final = ("drop", "duplicate", "garbage", "abort", "reorder", "overflow", "terminal")


@dataclass(frozen=True, slots=True)
class Faults:
    """A value for each name in `FAULTS`; 0 is off."""

    drop: float = 0.0
    duplicate: float = 0.0
    garbage: float = 0.0
    abort: float = 0.0
    reorder: float = 0.0
    overflow: float = 0.0
    terminal: float = 0.0
    command_timeout: float = 0.0
    delay: float = 0.0
    silent_after: float = 0.0
    pings_stop: float = 0.0
    refuse_upgrade: float = 0.0
    stale_reads: float = 0.0
    lose_ack: float = 0.0
    rest_error: float = 0.0
    slow_rest: float = 0.0
    fill_before_ack: float = 0.0
    fill_after_ack: float = 0.0
    trade_before_fill: float = 0.0
    fill_before_trade: float = 0.0
    maintenance: float = 0.0
    maintenance_after: float = 0.0

    @property
    def touches_frames(self) -> bool:
        """Whether any single data frame may be treated badly."""
        return self.delay > 0 or any(getattr(self, name) for name in FRAME_FAULTS)

    def drawn(self, rng: random.Random) -> str | None:
        """Which of `FRAME_FAULTS` befalls the next data frame."""
        draw = rng.random()
        for name in FRAME_FAULTS:
            draw -= getattr(self, name)
            if draw < 0:
                return name
        return None

    def spelled(self) -> str:
        """What is on, as `parse_faults` reads it."""
        return ",".join(f"{name}={value:g}" for name in FAULTS if (value := getattr(self, name)))


NO_FAULTS: Final = Faults()
assert set(FAULTS) == set(Faults.__slots__)


def parse_faults(spec: str) -> Faults:
    """Read a specification, or raise `FaultProblem` with a sentence for the person who typed it."""
    values: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in spec.split(","))):
        name, equals, text = part.partition("=")
        if name not in FAULTS or not equals:
            msg = f"{part!r} is not a fault; write name=number with one of {', '.join(FAULTS)}"
            raise FaultProblem(msg)
        if name in values:
            msg = f"{name} is given twice"
            raise FaultProblem(msg)
        values[name] = _value(name, text)
    if sum(values.get(name, 0.0) for name in FRAME_FAULTS) > 1:
        msg = f"{', '.join(FRAME_FAULTS[:-1])} and {FRAME_FAULTS[-1]} together exceed 1"
        raise FaultProblem(msg)
    return Faults(**values)


def _value(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        msg = f"{name}={text}: not a number"
        raise FaultProblem(msg) from None
    most = FAULTS[name].most
    if not 0 <= value <= most:
        msg = f"{name}={text}: must lie between 0 and {most:g}"
        raise FaultProblem(msg)
    return value


def described() -> str:
    """Every fault in a line of its own, for `--help`."""
    return "\n".join(f"  {f'{name}={kind.sign}':<22}{kind.meaning}" for name, kind in FAULTS.items())
