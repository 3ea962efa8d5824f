"""Which faults happen when: frozen facts, drawn from a seed as a swarm, some kinds left out altogether.

`KINDS` is the list of what can go wrong, `TRADING_KINDS` of what can on top where there is trading, `LATER_KINDS` of what was
added since; `strike` carries it out. Faults end at `Plan.quiet_s`; from then on the
world behaves, and the trader owes its recovery within `RECOVERY_S`.
Units: virtual seconds from the start of the run; `amount` is what the kind says.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from traderv3.config.markets import AutoMarkets, MarketSelection, NamedMarkets
from traderv3.exchange.market import STRUCTURES, Market, made_up
from traderv3.simulation.actors import HANG_AT_START, HANG_AT_STOP, RAISE_AT_START, RAISE_AT_STOP
from traderv3.simulation.http import KINDS as REST_KINDS
from traderv3.simulation.http import ORDER_KINDS
from traderv3.simulation.network import TO_EXCHANGE, TO_TRADER
from traderv3.simulation.venture import Venture, draw_venture

STEP_S: Final = 0.1
FAULTS_S: Final = 45.0
# A socket that fell silent at the last moment is dead after 30 s, a frozen connector after its heartbeat of 60 s; then
# the longest backoff (20 s), a handshake and snapshots. A market that comes back unseen is found by a look each minute.
RECOVERY_S: Final = 120.0
CALM_S: Final = 6.0  # how long all must have been well at the end
MARKETS: Final = (2, 6)
KIND_SHARE: Final = 0.35  # how likely a kind takes part in a run
LATER_SHARE: Final = 0.15
FAULTS_FEW: Final = (1, 5)
FAULTS_MANY: Final = (6, 20)
UNDISTURBED_EVERY: Final = 25  # seeds, one of which is left in peace

# Frozen, these are found by their heartbeat within the recovery, and those of `LATER_KINDS` and of trading. Left out:
# `exchange_hours` and `cross_check`, found after 2 and 4 minutes, longer than a run; `event_bus`, `web_server`,
# `run_record`, `loop_watchdog` and `exchange`, which have no heartbeat: they wait for others, or belong to another process.
FREEZABLE: Final = (
    "journal",
    "write_queue",
    "recorder",
    "state_machine",
    "metrics_aggregator",
    "broadcaster",
    "discovery",
    "orderbook_connector",
    "channel_connector",
)
ACTORS: Final = (*FREEZABLE, "event_bus", "web_server", "exchange_hours", "cross_check", "run_record")
BOOK_LINES: Final = ("orderbook_connector", "orderbook_connector_2", "channel_connector", "")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong at `at_s`, and for how long. `target` and `amount` mean what the kind says."""

    at_s: float
    kind: str
    target: str = ""
    for_s: float = 0.0
    amount: float = 0.0

    def __str__(self) -> str:
        words = [self.kind]
        words += [self.target] if self.target else []
        words += [f"{self.amount:g}"] if self.amount else []
        words += [f"for {self.for_s:.1f} s"] if self.for_s else []
        return ", ".join(words)


class Kind(NamedTuple):
    """How a fault of this kind is drawn: one target, a span and an amount; `is_wide`: by orders of magnitude."""

    meaning: str
    targets: Sequence[str] = ("",)
    for_s: tuple[float, float] = (0.0, 0.0)
    amount: tuple[float, float] = (0.0, 0.0)
    is_wide: bool = False
    weight: int = 1  # how often it is chosen among those that take part


_FRAMES: Final = (
    *("drop=0.02", "drop=0.3", "duplicate=0.1", "reorder=0.1", "garbage=0.05", "delay=0.5", "delay=3", "abort=0.02"),
    *("overflow=0.05", "terminal=0.05", "terminal=0.3", "drop=0.05,duplicate=0.05,reorder=0.05"),
    *("drop=0.1,command_timeout=0.3", "delay=1,drop=0.05", "garbage=0.1,drop=0.1", "reorder=0.2,duplicate=0.2"),
)
_VENUE: Final = (
    *("command_timeout=0.5", "silent_after=2", "silent_after=8", "pings_stop=1", "refuse_upgrade=1"),
    *("refuse_upgrade=3", "rest_error=0.5", "slow_rest=4"),
)
_ILLS: Final = tuple(
    f"{name}/{ill}" for name in ACTORS for ill in (RAISE_AT_START, HANG_AT_START, RAISE_AT_STOP, HANG_AT_STOP)
)
_MARKETS: Final = ("halt", "close", "close soon", "determine", "settle", "structure", "create", "reopen", "flicker")

KINDS: Final[dict[str, Kind]] = {
    "cut": Kind("connections are reset", BOOK_LINES, weight=2),
    "cut in": Kind(
        "the next connection is reset after so many bytes",
        (TO_TRADER, TO_EXCHANGE),
        amount=(1, 30_000),
        is_wide=True,
        weight=3,
    ),
    "end": Kind("the exchange's end of a connection is closed without a word", BOOK_LINES),
    "silence": Kind("nothing arrives, TCP stays up", (TO_TRADER, TO_EXCHANGE, "both"), (1, 50), weight=2),
    "vanish": Kind("the other end of connections is gone without a trace", BOOK_LINES),
    "latency": Kind("bytes take so long", for_s=(2, 20), amount=(0.1, 4), is_wide=True),
    "drip": Kind("reads bring a few bytes", for_s=(0.5, 4), amount=(2, 200), is_wide=True),
    "refuse": Kind("nobody accepts connections", for_s=(0.5, 25)),
    "slow connect": Kind("connections take so long", for_s=(5, 30), amount=(0.5, 15)),
    "lose connect": Kind("connections come to nothing", for_s=(5, 30)),
    "frames": Kind("single frames of the exchange go wrong", _FRAMES, (4, 40), weight=8),
    "venue": Kind("the exchange misbehaves in other ways", _VENUE, (2, 30), weight=3),
    "maintenance": Kind("all are disconnected, trading pauses", for_s=(1, 20)),
    "pause": Kind("the exchange pauses", ("trading", "exchange"), (1, 20)),
    "market": Kind("a market's life goes on", _MARKETS, (1, 20), weight=4),
    "exchange dies": Kind("its process is killed"),
    "exchange starts slowly": Kind("its next starts take so long", amount=(1, 12)),
    "rest": Kind("a share of the requests fails", REST_KINDS, (2, 40), (0.2, 1), weight=2),
    "clock": Kind("the trader's clock is set", ("forward", "back"), amount=(0.3, 7200), is_wide=True),
    "disk full": Kind("nothing more can be written", for_s=(1, 30)),
    "disk slow": Kind("each piece of work takes so long", for_s=(1, 30), amount=(0.05, 6), is_wide=True),
    "database away": Kind("it does not answer", for_s=(1, 40)),
    "database forgets": Kind("commits whose answer is lost", for_s=(5, 40)),
    "raise": Kind("an actor dies of a bug", (*ACTORS, *BOOK_LINES[:3], "discovery"), weight=2),
    "freeze": Kind("an actor stops where it is", FREEZABLE),
    "ill": Kind("an actor dies of a bug, and is not well at its next start or its end", _ILLS, weight=2),
    "subscriber": Kind("a consumer of the bus stops", for_s=(1, 30)),
}

_TRADERS: Final = ("engine", "order_gateway", "account_connector", "state_sync", "day_book", "market_terms")
_ANSWERS: Final = (
    *("lose_ack=0.5", "lose_ack=1", "fill_before_ack=1", "fill_after_ack=1", "stale_reads=3", "stale_reads=10"),
    *("trade_before_fill=1", "fill_before_trade=1", "rest_error=0.3", "lose_ack=0.3,stale_reads=4,fill_after_ack=0.5"),
)
_TRADERS_ILLS: Final = tuple(
    f"{name}/{ill}"
    for name in (*_TRADERS, "kill_switch")
    for ill in (RAISE_AT_START, HANG_AT_START, RAISE_AT_STOP, HANG_AT_STOP)
)

TRADING_KINDS: Final[dict[str, Kind]] = {
    "orders": Kind("a share of the order requests fails", ORDER_KINDS, (2, 40), (0.2, 1), weight=4),
    "answers": Kind("answers about orders are late, lost, or of the past", _ANSWERS, (2, 30), weight=3),
    "latch": Kind(
        "a person halts trading or lets it only reduce, then resumes", ("halted", "reducing"), (0, 15), weight=3
    ),
    "order group": Kind("the venue triggers our order group"),
    "account": Kind("the account's connection is lost", ("cut", "end", "vanish"), weight=2),
    "trader raises": Kind("what trades dies of a bug", (*_TRADERS, "kill_switch"), weight=3),
    "trader freezes": Kind("what trades stops where it is", _TRADERS),
    "trader ill": Kind(
        "what trades dies of a bug, and is not well at its next start or its end", _TRADERS_ILLS, weight=2
    ),
}
# Drawn apart, so that what older seeds found stays findable by them.
LATER_KINDS: Final[dict[str, Kind]] = {
    "other freezes": Kind(
        "another actor stops where it is", ("orderbook_connector_2", "orderbook_connector_3", "kill_switch")
    ),
}
ALL_KINDS: Final = KINDS | TRADING_KINDS | LATER_KINDS
assert len(ALL_KINDS) == len(KINDS) + len(TRADING_KINDS) + len(LATER_KINDS)


@dataclass(frozen=True, slots=True)
class Plan:
    """One seed's world: what is traded and watched, and everything that will go wrong, in order. `venture` None: no trading.

    `step_s`: how often the world is looked at, and the exchange's participants act.
    """

    seed: int
    markets: tuple[Market, ...]
    wanted: MarketSelection
    connections: int | None
    activity: float
    browsers: int
    browsers_stop: bool
    faults: tuple[Fault, ...]
    quiet_s: float = FAULTS_S
    venture: Venture | None = None
    step_s: float = STEP_S


def draw_plan(seed: int, *, quiet_s: float = FAULTS_S, venture: Venture | None = None) -> Plan:
    """The world of a seed, which trades by chance, or in this way."""
    rng = random.Random(f"plan:{seed}")
    markets = made_up(seed, rng.randint(*MARKETS))
    tickers = [market.ticker for market in markets]
    faulty_s = quiet_s if seed % UNDISTURBED_EVERY else 0.0
    faults = _drawn_faults(rng, KINDS, faulty_s)
    venture = venture or draw_venture(seed)
    if venture is not None:
        faults += _drawn_faults(random.Random(f"trading:{seed}"), TRADING_KINDS, faulty_s)
    later = random.Random(f"later:{seed}")
    if later.random() < LATER_SHARE:
        faults += _drawn_faults(later, LATER_KINDS, faulty_s)[:2]
    return Plan(
        seed=seed,
        markets=tuple(markets),
        wanted=_wanted(rng, tickers),
        connections=rng.choice((None, None, 1, 2, 3)),
        activity=rng.choice((0.1, 0.3, 0.6)),
        browsers=rng.choice((0, 0, 1, 2)),
        browsers_stop=rng.random() < 0.5,
        faults=tuple(sorted(faults, key=lambda fault: fault.at_s)),
        quiet_s=quiet_s,
        venture=venture,
    )


def _drawn_faults(rng: random.Random, among: Mapping[str, Kind], quiet_s: float) -> list[Fault]:
    """A swarm: some kinds are left out altogether."""
    kinds = [kind for kind in among if rng.random() < KIND_SHARE] or [next(iter(among))]
    count = rng.randint(*FAULTS_FEW) if rng.random() < 0.3 else rng.randint(*FAULTS_MANY)
    chosen = rng.choices(kinds, [among[kind].weight for kind in kinds], k=round(count * quiet_s / FAULTS_S))
    return [_drawn(rng, kind, among[kind], quiet_s) for kind in chosen]


def _wanted(rng: random.Random, tickers: list[str]) -> MarketSelection:
    draw = rng.random()
    if draw < 0.3:
        return AutoMarkets(rng.randint(1, len(tickers)))
    names = rng.sample(tickers, rng.randint(1, len(tickers)))
    if draw < 0.45:
        names.append("KXNOSUCH-99-T1")
    elif draw < 0.6:
        names = [tickers[0].rpartition("-")[0], *names]  # an event
    return NamedMarkets(tuple(dict.fromkeys(names)))


def _drawn(rng: random.Random, name: str, kind: Kind, quiet_s: float) -> Fault:
    at_s = rng.uniform(0.0, quiet_s)
    low, high = kind.amount
    amount = math.exp(rng.uniform(math.log(low), math.log(high))) if kind.is_wide else rng.uniform(low, high)
    for_s = min(rng.uniform(*kind.for_s), quiet_s - at_s)
    return Fault(round(at_s, 3), name, rng.choice(kind.targets), round(for_s, 3), round(amount, 3))


def drawn_structure(rng: random.Random) -> str:
    """Some price grid."""
    return rng.choice(list(STRUCTURES))
