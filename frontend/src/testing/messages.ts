/** Messages as the trader sends them, for the tests. */
import type {
  Alert,
  Connection,
  ConsoleLine,
  FillReport,
  MarketBook,
  MarketTop,
  Message,
  Metrics,
  OrderReport,
  PositionReport,
  Risk,
  Snapshot,
  StateTransition,
  SupervisionNode,
  Trading,
} from "../protocol/messages";

export const AT = "2026-11-22T10:30:00.000Z";

export const METRICS: Metrics = {
  markets_connected: 2,
  snapshots_received: 2,
  deltas_received: 48_704,
  connection_uptime: 12,
  ws_connection_status: "connected",
  last_message_time: AT,
  connection_established: AT,
  first_snapshot_received: null,
  health: "healthy",
  messages_per_second: 312.44,
  gaps_detected: 0,
  duplicates: 0,
  rollbacks: 0,
  resets: 0,
  clock_backwards: 0,
  resyncs: 0,
  reconnects: 0,
  protocol_errors: 0,
  unknown_types: 0,
  unknown_fields: 0,
  dropped_events: 0,
  loop_lag_ms: 0.6,
  rss_mb: 61.2,
};

export const STATES: Connection["states"] = {
  startup: ["initializing", "error", "shutdown"],
  initializing: ["ready", "error", "shutdown"],
  ready: ["initializing", "error", "shutdown"],
  error: ["initializing", "shutdown"],
  shutdown: [],
};

export const TREE: SupervisionNode = {
  name: "root",
  kind: "supervisor",
  status: "running",
  since: AT,
  restarts: 0,
  last_error: null,
  strategy: "one_for_one",
  children: [
    {
      name: "broadcaster",
      kind: "worker",
      status: "running",
      since: AT,
      restarts: 0,
      last_error: null,
      mailbox: {
        depth: 3,
        capacity: 1_000,
        policy: "drop_oldest",
        accepted: 9,
        dropped: 1,
        conflated: 0,
        high_water: 7,
        oldest_ms: 2,
      },
      children: [],
    },
  ],
};

export const RISK: Risk = {
  mode: "active",
  since: AT,
  by: "start",
  reason: "",
  resting_orders: 0,
};

export const TRADING: Trading = {
  orders: [],
  fills: [],
  positions: [],
  pnl: {
    balance: null,
    total: null,
    realized: "0.000000",
    unrealized: null,
    fees: "0.000000",
    worst_case: "0.000000",
    resting: 0,
    unknown: 0,
    is_read: true,
    stale_reason: null,
    stale_since: null,
  },
  limits: { limits: [] },
  decision: {
    stage: "off",
    why: "V3_ENABLE_TRADING is false",
    strategy: "hold",
    calibrated: null,
    decided: null,
    refusals: [],
  },
  recon: { differences: [] },
};

export function order(change: Partial<OrderReport> = {}): OrderReport {
  return {
    client_order_id: "abcd0123-7",
    order_id: "b1",
    strategy: "spread_maker",
    ticker: "KXDEMO-26DEC31-T100",
    side: "bid",
    price: "0.4500",
    count: "10.00",
    filled: "1.50",
    remaining: "8.50",
    state: "resting",
    is_open: true,
    in_flight: null,
    created: AT,
    expires: null,
    why: null,
    ahead: "118.50",
    ...change,
  };
}

export function fill(change: Partial<FillReport> = {}): FillReport {
  return {
    trade_id: "t1",
    client_order_id: "abcd0123-7",
    strategy: "spread_maker",
    ticker: "KXDEMO-26DEC31-T100",
    side: "bid",
    role: "maker",
    price: "0.4500",
    count: "1.50",
    fee: "0.017472",
    timestamp: AT,
    ...change,
  };
}

export function position(change: Partial<PositionReport> = {}): PositionReport {
  return {
    ticker: "KXDEMO-26DEC31-T100",
    position: "-1.50",
    average: "0.5500",
    realized: "1.250000",
    unrealized: null,
    fees: "0.017472",
    worst_case: "0.825000",
    venue_position: null,
    ...change,
  };
}

export function market(change: Partial<MarketTop> = {}): MarketTop {
  return {
    ticker: "KXDEMO-26DEC31-T100",
    book_state: "live",
    stale_reason: null,
    market_status: "active",
    yes_bid: "0.4500",
    yes_bid_size: "120.00",
    yes_ask: "0.4900",
    yes_ask_size: null,
    no_bid: "0.5100",
    no_bid_size: "42.00",
    no_ask: "0.5500",
    no_ask_size: "120.00",
    levels_yes: 12,
    levels_no: 9,
    last_update: AT,
    updates: 1_523,
    ...change,
  };
}

export function transition(
  from_state: string,
  to_state: string,
  timestamp = AT,
  seq: number | null = null,
): StateTransition {
  return { from_state, to_state, context: `because of ${to_state}`, timestamp, metrics: METRICS, seq };
}

export function line(message: string, change: Partial<ConsoleLine> = {}): ConsoleLine {
  return { level: "info", timestamp: AT, source: "event_bus", message, context: "", seq: null, ...change };
}

export function alert(change: Partial<Alert> = {}): Alert {
  return {
    id: "a",
    kind: "health",
    count: 1,
    level: "warning",
    component: "connector",
    message: "3 books are stale",
    since: AT,
    is_active: true,
    ...change,
  };
}

export function book(change: Partial<MarketBook> = {}): MarketBook {
  return {
    ticker: "KXDEMO-26DEC31-T100",
    book_state: "live",
    stale_reason: null,
    market_status: "active",
    title: "Will it be 100 or above?",
    close_time: "2026-12-31T22:00:00.000Z",
    price_ranges: [{ start: "0.0000", end: "1.0000", step: "0.0100" }],
    yes: [
      ["0.4400", "80.00"],
      ["0.4500", "120.00"],
    ],
    no: [
      ["0.5000", "10.00"],
      ["0.5100", "42.00"],
    ],
    last_trade: { price: "0.4600", size: "5.00", taker_side: "yes", timestamp: AT },
    last_update: AT,
    updates: 1_523,
    ...change,
  };
}

export function connection(change: Partial<Connection> = {}): Message {
  const data: Connection = {
    protocol: 1,
    client_id: "c1",
    epoch: "e1",
    seq: 10,
    resumed: false,
    environment: "sim",
    server_version: "0.1.0",
    states: STATES,
    commands: ["restart_actor", "reconnect", "resync", "pause", "resume", "halt", "cancel_all"],
    heartbeat_s: 1,
    ...change,
  };
  return { type: "connection", seq: data.seq, timestamp: AT, data };
}

export function snapshot(change: Partial<Snapshot> = {}, seq = 10): Message {
  const data: Snapshot = {
    timestamp: AT,
    running: true,
    uptime: 60,
    state: "ready",
    state_since: AT,
    state_context: "2 of 2 markets live",
    health: "healthy",
    reasons: [],
    environment: "sim",
    markets: ["KXDEMO-26DEC31-T100"],
    metrics: METRICS,
    components: {},
    supervision: TREE,
    subscribers: {},
    connections: [],
    connection_events: [],
    rest: null,
    cross_check: null,
    gaps: [],
    exchange: {
      exchange_active: true,
      trading_active: true,
      sentence: null,
      pause_start: null,
      pause_end: null,
    },
    latency: { stages: {} },
    risk: RISK,
    trading: TRADING,
    transitions: [transition("initializing", "ready")],
    warnings: [],
    reason: "connected",
    dropped: 0,
    market_tops: [market()],
    books: [],
    log: [line("bus started", { timestamp: "2026-11-22T10:29:59.000Z" })],
    alerts: [],
    ...change,
  };
  return { type: "snapshot", seq, timestamp: AT, data };
}

export function heartbeat(seq = 10, timestamp = AT): Message {
  return { type: "heartbeat", seq, timestamp, data: { dropped: 0, lag_ms: 0.4 } };
}

export function consoleLine(seq: number, message: string): Message {
  return { type: "console", seq, timestamp: AT, data: line(message, { seq }) };
}
