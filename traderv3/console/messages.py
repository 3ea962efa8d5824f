"""The console protocol's messages, server to browser; the source of `frontend/src/protocol/messages.ts`.

Every text frame is one `{"type", "seq", "timestamp", "data"}`; `MESSAGES` says which struct `data` is by `type`.
Units: names in `_ms`, `_us`, `_s`, `_mb` are numbers; prices and sizes are the venue's own decimal strings; times are
RFC 3339 UTC with milliseconds. A missing value is null, never 0.
Source: `docs/console-protocol.md`. After a change run `scripts/generate-types.sh`; the checks fail on drift.
"""

from typing import Final, Literal

import msgspec

Timestamp = str
HealthLevel = Literal["healthy", "degraded", "unhealthy"]
ActorStatus = Literal["starting", "running", "backoff", "stopped", "failed"]
BookStateName = Literal["syncing", "live", "stale"]
LinkName = Literal["connected", "connecting", "disconnected"]
BreakerName = Literal["closed", "open", "half_open"]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Root of every struct that reaches a browser."""


class HealthReason(Message, frozen=True, kw_only=True):
    """One thing that is wrong: who, since when, and what it means for trading."""

    component: str
    since: Timestamp
    message: str


class Metrics(Message, frozen=True, kw_only=True):
    """The numbers of `trader_status`, `/v3/status` and each transition. Counters count since the process started."""

    markets_connected: int  # markets whose book is live
    snapshots_received: int
    deltas_received: int
    connection_uptime: float  # seconds the venue connection has been up; 0.0 while it is down
    ws_connection_status: LinkName
    last_message_time: Timestamp | None
    connection_established: Timestamp | None
    first_snapshot_received: Timestamp | None
    health: HealthLevel
    messages_per_second: float
    gaps_detected: int
    duplicates: int
    rollbacks: int  # numbers from the past
    resets: int  # a stream that began to count anew
    clock_backwards: int
    resyncs: int
    reconnects: int
    protocol_errors: int
    unknown_types: int
    unknown_fields: int
    dropped_events: int
    loop_lag_ms: float
    rss_mb: float


class MailboxReport(Message, frozen=True, kw_only=True):
    """One bounded queue: what waits, what it may hold, and what became of everything put in."""

    depth: int
    capacity: int
    policy: str
    accepted: int
    dropped: int
    conflated: int
    high_water: int
    oldest_ms: int


class RestartBudget(Message, frozen=True, kw_only=True):
    """How many restarts a supervisor's children had in the last `period_s`; one more than `most`, and it gives up."""

    used: int
    most: int
    period_s: float


class TreeNode(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What supervisors and workers have in common.

    A supervisor has a `strategy` and a `budget`; who waits for its next start has `backoff_until`.
    """

    name: str
    kind: Literal["supervisor", "worker"]
    status: ActorStatus
    since: Timestamp
    restarts: int
    last_error: str | None
    strategy: str | None = None
    budget: RestartBudget | None = None
    backoff_until: Timestamp | None = None
    mailbox: MailboxReport | None = None


class Component(TreeNode, frozen=True, kw_only=True, omit_defaults=True):
    """A worker as `components` shows it. The contract calls its status by both names."""

    state: ActorStatus


class SupervisionNode(TreeNode, frozen=True, kw_only=True, omit_defaults=True):
    """A node of the supervision tree with what it supervises."""

    children: list["SupervisionNode"]


class SubscriberReport(Message, frozen=True, kw_only=True):
    """One subscriber of the event bus: its mailbox, its handler's record and its circuit breaker."""

    mailbox: MailboxReport
    handled: int
    failed: int
    timed_out: int
    skipped: int
    breaker: BreakerName
    last_error: str | None


class StateTransition(Message, frozen=True, kw_only=True):
    """One change of state, after it happened; `context` is a sentence a person understands.

    `seq` is its number in the event log. It is null, and so is `metrics`, for what an earlier run of this trader did: that was
    read back from the database.
    """

    from_state: str
    to_state: str
    context: str
    timestamp: Timestamp
    metrics: Metrics | None
    seq: int | None


class ConnectionReport(Message, frozen=True, kw_only=True):
    """One market-data connection: how it stands, why, and the age of what it brought last (null: nothing yet)."""

    name: str
    link: LinkName
    reason: str
    connected_since: Timestamp | None
    last_message_age_ms: int | None
    markets: int
    live: int


class ConnectionEvent(Message, frozen=True, kw_only=True):
    """A connection was made or lost, in this run or an earlier one; `reason` is null where it was made."""

    connection: str
    is_up: bool
    reason: str | None
    timestamp: Timestamp


class RestReport(Message, frozen=True, kw_only=True):
    """The way to the venue's REST: its circuit breaker, what went wrong, what the token buckets hold, the clocks.

    `requests` counts every try; `failures` are silence, 5xx and unreadable answers, `refused` other 4xx, `throttled` 429s.
    """

    breaker: BreakerName
    breaker_since_us: int
    next_probe_s: float
    requests: int
    failures: int
    refused: int
    retried: int
    throttled: int
    last_error: str | None
    last_error_us: int | None
    usage_tier: str | None
    read_tokens: int
    read_capacity: int
    read_rate: int
    write_tokens: int
    write_capacity: int
    write_rate: int
    clock_offset_ms: int
    clock_round_trip_ms: int | None
    clock_age_s: float | None
    is_clock_measured: bool


class CrossCheckReport(Message, frozen=True, kw_only=True):
    """How often a book read by REST agreed with ours: `score` from 0 to 1 over the last ones, null before the first."""

    score: float | None
    checked: int
    agreed: int
    disagreed: int
    inconclusive: int
    last_ticker: str | None
    last_outcome: str | None
    last_reason: str
    last_us: int | None


class GapReport(Message, frozen=True, kw_only=True):
    """One line of the gap journal; `how` and `stale_ms` are null while the repair is under way."""

    connection: str
    timestamp: Timestamp
    what: str
    missing: int
    books: int
    how: str | None
    stale_ms: int | None


class ExchangeReport(Message, frozen=True, kw_only=True):
    """What the exchange says of its hours; `sentence` is null while everything is open. Null: not known."""

    exchange_active: bool | None
    trading_active: bool | None
    sentence: str | None
    pause_start: Timestamp | None
    pause_end: Timestamp | None


class MarketTop(Message, frozen=True, kw_only=True):
    """The best of one market's book, each side at its own prices: an ask is a dollar less the other side's best bid.

    Null where a side is empty. `market_status` is the venue's word for the market, null while it is not known.
    """

    ticker: str
    book_state: BookStateName
    stale_reason: str | None
    market_status: str | None
    yes_bid: str | None
    yes_bid_size: str | None
    yes_ask: str | None
    yes_ask_size: str | None
    no_bid: str | None
    no_bid_size: str | None
    no_ask: str | None
    no_ask_size: str | None
    levels_yes: int
    levels_no: int
    last_update: Timestamp | None
    updates: int


class PriceRange(Message, frozen=True, kw_only=True):
    """Prices from `start` to `end` move in steps of `step`, all in dollars."""

    start: str
    end: str
    step: str


class LastTrade(Message, frozen=True, kw_only=True):
    """The newest public trade of a market; `price` is that of YES."""

    price: str
    size: str
    taker_side: Literal["yes", "no"]
    timestamp: Timestamp


class MarketBook(Message, frozen=True, kw_only=True):
    """One market's whole book as the venue prints it: `[price, size]` per level and side, ascending, the best last.

    `price_ranges` and `last_trade` are null while they are not known; `close_time` is when trading ends.
    """

    ticker: str
    book_state: BookStateName
    stale_reason: str | None
    market_status: str | None
    title: str | None
    close_time: Timestamp | None
    price_ranges: list[PriceRange] | None
    yes: list[tuple[str, str]]
    no: list[tuple[str, str]]
    last_trade: LastTrade | None
    last_update: Timestamp | None
    updates: int


class LatencyStage(Message, frozen=True, kw_only=True):
    """How long one stage took in the last `window_s`: `counts[i]` were at most `bounds_us[i]`, the last count above all.

    Percentiles are null while nothing was measured.
    """

    window_s: int
    count: int
    bounds_us: list[int]
    counts: list[int]
    p50_us: int | None
    p99_us: int | None
    max_us: int | None


class Latency(Message, frozen=True, kw_only=True):
    """Stages by name: `receive_to_book`, `loop_lag`, later those of orders."""

    stages: dict[str, LatencyStage]


class Risk(Message, frozen=True, kw_only=True):
    """What trading is allowed to do: `active` anything, `reducing` no new exposure, `halted` nothing; who said so, why."""

    mode: Literal["active", "reducing", "halted"]
    since: Timestamp
    by: str
    reason: str
    resting_orders: int


class OrderReport(Message, frozen=True, kw_only=True):
    """One order of ours after a change. `side` is bid (long YES) or ask (long NO, or closing YES) at the YES `price`.

    `state` is intended, sent, unknown, resting, filled, cancelled, rejected or void (never came to be); `in_flight` says
    that a cancel or a change is on its way; `ahead` is what must trade before it, where that is known.
    """

    client_order_id: str
    order_id: str | None
    strategy: str
    ticker: str
    side: Literal["bid", "ask"]
    price: str
    count: str
    filled: str
    remaining: str
    state: str
    is_open: bool
    in_flight: str | None
    created: Timestamp
    expires: Timestamp | None
    why: str | None
    ahead: str | None


class FillReport(Message, frozen=True, kw_only=True):
    """One fill of ours, at the YES `price`; `strategy` is null for an order that was not ours to begin with."""

    trade_id: str
    client_order_id: str | None
    strategy: str | None
    ticker: str
    side: Literal["bid", "ask"]
    role: Literal["taker", "maker"]
    price: str
    count: str
    fee: str
    timestamp: Timestamp


class PositionReport(Message, frozen=True, kw_only=True):
    """What we hold in one market: `position` below 0 is NO, `average` what a contract of the held side cost (of NO: a NO price).

    `worst_case` is with every order that rests there. `Pnl.stale_reason` marks every position, too.
    `unrealized` is null without a live book to value it by; `venue_position` is there where the venue says otherwise.
    """

    ticker: str
    position: str
    average: str | None
    realized: str
    unrealized: str | None
    fees: str
    worst_case: str
    venue_position: str | None


class Pnl(Message, frozen=True, kw_only=True):
    """Money in dollars, for all markets together, and how far the account is to be believed.

    `is_read`: a first reading was adopted; before that all but `unknown` is null, and that, too, until what an earlier run left
    is taken up. `stale_reason` says why orders, positions
    and these sums may be others by now, null while the account is heard and agreed upon; `stale_since` is when that last
    was, null: never yet. `total` is realised plus unrealised less fees; null while something held cannot be valued.
    `worst_case` is with every order that rests.
    """

    balance: str | None
    total: str | None
    realized: str | None
    unrealized: str | None
    fees: str | None
    worst_case: str | None
    resting: int | None
    unknown: int | None
    is_read: bool
    stale_reason: str | None
    stale_since: Timestamp | None


class LimitReport(Message, frozen=True, kw_only=True):
    """One limit of risk and how much of it is used, both in `unit`; `share` is used / limit, 1 and more at the limit."""

    rule: str
    scope: str
    used: str
    limit: str
    unit: str
    share: float


class Limits(Message, frozen=True, kw_only=True):
    """Every limit, the most used first."""

    limits: list[LimitReport]


class Refusal(Message, frozen=True, kw_only=True):
    """An order that risk or the venue refused, or that our gateway did not send; equal ones in a row are counted."""

    rule: str
    why: str
    ticker: str
    strategy: str
    by: Literal["risk", "gateway", "venue"]
    times: int
    timestamp: Timestamp


class Decision(Message, frozen=True, kw_only=True):
    """What the strategy does and why not: `stage` is off, waiting, calibrating, clean or acting."""

    stage: str
    why: str | None
    strategy: str
    calibrated: Timestamp | None
    decided: Timestamp | None
    refusals: list[Refusal]


class Difference(Message, frozen=True, kw_only=True):
    """Our number and the venue's; quarantined until both agree."""

    what: str
    key: str
    ours: str
    venue: str
    since: Timestamp
    is_settled: bool


class Recon(Message, frozen=True, kw_only=True):
    """What reconciliation found different, newest last."""

    differences: list[Difference]


class Trading(Message, frozen=True, kw_only=True):
    """Everything of trading at one moment. `orders`: open ones first, then the latest that are over; newest fill first.

    `positions` is null until the account was read. While `pnl.stale_reason` is there, all of it is the last word, not of now.
    """

    orders: list[OrderReport]
    fills: list[FillReport]
    positions: list[PositionReport] | None
    pnl: Pnl
    limits: Limits
    decision: Decision
    recon: Recon


class ConsoleLine(Message, frozen=True, kw_only=True):
    """One line of the terminal: what the log said at level info or above. `source` is the part that said it.

    `seq` is its number in the event log.
    """

    level: LogLevel
    timestamp: Timestamp
    source: str
    message: str
    context: str
    seq: int | None


class Alert(Message, frozen=True, kw_only=True):
    """Something a person should look at; `is_active` false when it is over.

    A `health` alert is a reason of the health verdict; a `lint` is a named rule that `count` things break.
    """

    id: str
    kind: Literal["health", "lint"]
    count: int
    level: Literal["warning", "error"]
    component: str
    message: str
    since: Timestamp
    is_active: bool


class Status(Message, frozen=True, kw_only=True):
    """`/v3/status`, and most of `snapshot`: the whole picture at one moment, `timestamp`."""

    timestamp: Timestamp
    running: bool
    uptime: float
    state: str
    state_since: Timestamp
    state_context: str
    health: HealthLevel
    reasons: list[HealthReason]
    environment: str
    markets: list[str]
    metrics: Metrics
    components: dict[str, Component]
    supervision: SupervisionNode
    subscribers: dict[str, SubscriberReport]
    connections: list[ConnectionReport]
    connection_events: list[ConnectionEvent]
    rest: RestReport | None
    cross_check: CrossCheckReport | None
    gaps: list[GapReport]
    exchange: ExchangeReport
    latency: Latency
    risk: Risk
    trading: Trading
    transitions: list[StateTransition]
    warnings: list[str]


class Connection(Message, frozen=True, kw_only=True):
    """First message of a socket. `states` maps each state to those it may leave to, in the order of the spine."""

    protocol: Literal[1]
    client_id: str
    epoch: str
    seq: int
    resumed: bool
    environment: str
    server_version: str
    states: dict[str, list[str]]
    commands: list[str]
    heartbeat_s: float


class Snapshot(Status, frozen=True, kw_only=True):
    """The full picture, and why it was sent; the client clears every slice first."""

    reason: Literal["connected", "resume_too_old", "overflow", "past"]
    dropped: int
    market_tops: list[MarketTop]
    books: list[MarketBook]
    log: list[ConsoleLine]
    alerts: list[Alert]


class HistoryReplay(Message, frozen=True, kw_only=True):
    """The newest transitions, oldest first."""

    transitions: list[StateTransition]
    count: int


class TraderStatus(Message, frozen=True, kw_only=True):
    """Every second and on change. `health` stands at both places, from one value."""

    state: str
    state_since: Timestamp
    state_context: str
    uptime: float
    metrics: Metrics
    health: HealthLevel
    reasons: list[HealthReason]
    environment: str
    timestamp: Timestamp


class Supervision(Message, frozen=True, kw_only=True):
    """The tree as it is; sent when it changed."""

    tree: SupervisionNode


class Mailbox(Message, frozen=True, kw_only=True):
    """One actor's mailbox, when its account changed, at most four times a second."""

    name: str
    mailbox: MailboxReport


class FeedReport(Message, frozen=True, kw_only=True):
    """How good the market data is; when it changed, at most once a second."""

    connections: list[ConnectionReport]
    connection_events: list[ConnectionEvent]
    gaps: list[GapReport]
    rest: RestReport | None
    cross_check: CrossCheckReport | None
    exchange: ExchangeReport


class Actor(Message, frozen=True, kw_only=True):
    """One actor changed its status."""

    name: str
    status: ActorStatus
    restarts: int
    last_error: str | None
    timestamp: Timestamp


class Heartbeat(Message, frozen=True, kw_only=True):
    """Every second, also when idle: silence is a fault. `dropped` counts this client's lost messages."""

    dropped: int
    lag_ms: float


class CommandResult(Message, frozen=True, kw_only=True):
    """The answer to a command; a refusal says which rule."""

    id: str
    ok: bool
    reason: str


class Pong(Message, frozen=True, kw_only=True):
    """The answer to a ping."""


MESSAGES: Final[dict[str, type[Message]]] = {
    "connection": Connection,
    "snapshot": Snapshot,
    "history_replay": HistoryReplay,
    "trader_status": TraderStatus,
    "state_transition": StateTransition,
    "supervision": Supervision,
    "actor": Actor,
    "mailbox": Mailbox,
    "market": MarketTop,
    "book": MarketBook,
    "feed": FeedReport,
    "latency": Latency,
    "risk": Risk,
    "order": OrderReport,
    "fill": FillReport,
    "position": PositionReport,
    "pnl": Pnl,
    "limits": Limits,
    "decision": Decision,
    "recon": Recon,
    "console": ConsoleLine,
    "alert": Alert,
    "heartbeat": Heartbeat,
    "command_result": CommandResult,
    "pong": Pong,
}

# Logged kinds consume a number of the event log; of the others only the latest matters.
LOGGED: Final = frozenset({"state_transition", "actor", "alert", "console", "risk", "order", "fill", "command_result"})
URGENT: Final = frozenset({"state_transition", "actor", "alert", "risk", "order", "fill", "command_result"})
