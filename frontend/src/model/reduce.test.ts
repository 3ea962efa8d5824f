import { expect, test } from "vitest";
import type { Message, TraderStatus } from "../protocol/messages";
import {
  AT,
  alert,
  book,
  connection,
  consoleLine,
  heartbeat,
  line,
  METRICS,
  market,
  RISK,
  snapshot,
  TREE,
  transition,
} from "../testing/messages";
import { EMPTY, type Model } from "./model";
import * as reducing from "./reduce";

const fold = (messages: readonly Message[], from: Model = EMPTY) => reducing.fold(from, messages);
const LIVE = fold([connection(), snapshot()]);

const STATUS = {
  state: "ready",
  state_since: AT,
  state_context: "",
  uptime: 60,
  metrics: METRICS,
  health: "healthy" as const,
  reasons: [],
  environment: "sim",
} satisfies Partial<TraderStatus>;

function moved(seq: number, from: string, to: string, timestamp: string): Message {
  return { type: "state_transition", seq, timestamp, data: transition(from, to, timestamp) };
}

test("a snapshot fills every slice", () => {
  expect(LIVE.isSynced).toBe(true);
  expect(LIVE.seq).toBe(10);
  expect(LIVE.trader?.state).toBe("ready");
  expect(LIVE.tree).toEqual(TREE);
  expect([...LIVE.markets.keys()]).toEqual(["KXDEMO-26DEC31-T100"]);
  expect(LIVE.transitions.length).toBe(1);
  expect(LIVE.startedAtMs).toBe(Date.parse(AT) - 60_000);
});

test("the terminal of a snapshot is log and transitions in the order of their times", () => {
  expect(LIVE.lines.slice().map(({ id, message }) => [id, message])).toEqual([
    [0, "bus started"],
    [1, "STATE TRANSITION: initializing → ready"],
  ]);
});

test("a snapshot after an overflow replaces what was there", () => {
  const before = fold([consoleLine(11, "old"), heartbeat(11)], LIVE);
  const after = fold(
    [snapshot({ reason: "overflow", dropped: 7, market_tops: [], log: [], transitions: [] }, 99)],
    before,
  );

  expect(after.markets.size).toBe(0);
  expect(after.lines.length).toBe(0);
  expect(after.transitions.length).toBe(0);
  expect(after.dropped).toBe(7);
  expect(after.seq).toBe(99);
});

test("a new epoch clears everything", () => {
  const next = connection({ epoch: "e2", seq: 0 });

  expect(reducing.reduce(LIVE, next)).toEqual({ ...EMPTY, connection: next.data });
});

test("a resumed connection keeps every slice", () => {
  const next = connection({ resumed: true });

  expect(reducing.reduce(LIVE, next)).toEqual({ ...LIVE, connection: next.data });
});

test("resumed, but of an epoch that we do not hold, is not believed", () => {
  expect(reducing.reduce(LIVE, connection({ resumed: true, epoch: "e9" })).isSynced).toBe(false);
});

test("a logged message that is already here changes nothing", () => {
  const once = reducing.reduce(LIVE, consoleLine(11, "once"));

  expect(reducing.reduce(once, consoleLine(11, "once"))).toBe(once);
  expect(reducing.reduce(once, consoleLine(12, "next")).lines.length).toBe(once.lines.length + 1);
});

test("conflated messages do not move the place to resume from", () => {
  expect(reducing.reduce(LIVE, heartbeat(500)).seq).toBe(10);
  expect(reducing.reduce(LIVE, { type: "market", seq: 500, timestamp: AT, data: market() }).seq).toBe(10);
});

test("a transition moves the state, the history and the terminal", () => {
  const next = reducing.reduce(LIVE, moved(11, "ready", "error", "2026-11-22T10:31:00.000Z"));

  expect(next.trader).toMatchObject({
    state: "error",
    since: "2026-11-22T10:31:00.000Z",
    context: "because of error",
  });
  expect(next.transitions.last?.to_state).toBe("error");
  expect(next.lines.last).toMatchObject({ level: "error", kind: "transition" });
});

test("a transition that arrives after the status it led to does not turn the state back", () => {
  const late = reducing.reduce(LIVE, moved(11, "startup", "initializing", "2026-11-22T10:00:00.000Z"));

  expect(late.trader?.state).toBe("ready");
});

test("a replay adds only what is missing", () => {
  const newer = transition("ready", "error", "2026-11-22T10:31:00.000Z");
  const data = { transitions: [transition("initializing", "ready"), newer], count: 2 };
  const replayed = reducing.reduce(LIVE, { type: "history_replay", seq: 10, timestamp: AT, data });
  const moreover = reducing.reduce(replayed, {
    type: "state_transition",
    seq: 11,
    timestamp: AT,
    data: newer,
  });

  expect(replayed.transitions.slice().map(({ to_state }) => to_state)).toEqual(["ready", "error"]);
  expect(moreover.transitions.length).toBe(2);
  expect(moreover.lines.length).toBe(LIVE.lines.length + 1);
});

test("a market replaces its own row and leaves the other slices alone", () => {
  const data = market({ book_state: "stale", stale_reason: "gap" });
  const next = reducing.reduce(LIVE, { type: "market", seq: 10, timestamp: AT, data });

  expect(next.markets.get(data.ticker)).toEqual(data);
  expect(LIVE.markets.get(data.ticker)?.book_state).toBe("live");
  expect(next.lines).toBe(LIVE.lines);
  expect(next.tree).toBe(LIVE.tree);
});

test("many tops of one batch leave the model before it as it was", () => {
  const tops = ["0.4600", "0.4700"].map(
    (yes_bid): Message => ({ type: "market", seq: 10, timestamp: AT, data: market({ yes_bid }) }),
  );
  const next = fold([...tops, heartbeat(10)], LIVE);

  expect(next.markets.get("KXDEMO-26DEC31-T100")?.yes_bid).toBe("0.4700");
  expect(LIVE.markets.get("KXDEMO-26DEC31-T100")?.yes_bid).toBe("0.4500");
});

test("a snapshot in the midst of a batch wins over the tops before it, and loses to those after it", () => {
  const top = (ticker: string): Message => ({
    type: "market",
    seq: 10,
    timestamp: AT,
    data: market({ ticker }),
  });
  const next = fold([top("BEFORE"), snapshot({ market_tops: [] }), top("AFTER")], LIVE);

  expect([...next.markets.keys()]).toEqual(["AFTER"]);
});

test("each conflated kind replaces its own slice", () => {
  const feed = { connections: [], connection_events: [], gaps: [], rest: null, cross_check: null };
  const exchange = {
    exchange_active: false,
    trading_active: null,
    sentence: "shut",
    pause_start: null,
    pause_end: null,
  };
  const next = fold(
    [
      { type: "book", seq: 10, timestamp: AT, data: book() },
      { type: "feed", seq: 10, timestamp: AT, data: { ...feed, exchange } },
      { type: "latency", seq: 10, timestamp: AT, data: { stages: {} } },
    ],
    LIVE,
  );

  expect([...next.books.keys()]).toEqual([book().ticker]);
  expect(next.feed?.exchange.sentence).toBe("shut");
  expect(next.latency).toEqual({ stages: {} });
  expect(next.lines).toBe(LIVE.lines);
});

test("a mailbox is merged into its actor's node", () => {
  const mailbox = {
    depth: 9,
    capacity: 10,
    policy: "block",
    accepted: 1,
    dropped: 0,
    conflated: 0,
    high_water: 9,
    oldest_ms: 4,
  };
  const next = reducing.reduce(LIVE, {
    type: "mailbox",
    seq: 10,
    timestamp: AT,
    data: { name: "broadcaster", mailbox },
  });

  expect(next.tree?.children[0]).toMatchObject({ status: "running", mailbox: { depth: 9 } });
});

test("every logged kind is one line of the events, with its number and what the trader sent", () => {
  const next = fold(
    [
      { type: "alert", seq: 11, timestamp: AT, data: alert() },
      { type: "alert", seq: 12, timestamp: AT, data: alert({ is_active: false }) },
      { type: "risk", seq: 13, timestamp: AT, data: { ...RISK, mode: "halted", reason: "asked" } },
      { type: "command_result", seq: 14, timestamp: AT, data: { id: "c1-1", ok: false, reason: "no token" } },
      consoleLine(15, "a log line"),
    ],
    LIVE,
  );
  const lines = next.lines.slice(LIVE.lines.length);

  expect(lines.map(({ seq, kind, level }) => [seq, kind, level])).toEqual([
    [11, "alert", "warning"],
    [12, "alert", "info"],
    [13, "risk", "warning"],
    [14, "command", "warning"],
    [15, "log", "info"],
  ]);
  expect(lines[2]?.data).toMatchObject({ mode: "halted" });
  expect(next.risk?.mode).toBe("halted");
  expect(next.results.last?.id).toBe("c1-1");
});

test("every status is a point of the charts", () => {
  const { state, state_since, state_context, uptime, metrics, health, reasons, environment } = STATUS;
  const data = {
    state,
    state_since,
    state_context,
    uptime,
    metrics,
    health,
    reasons,
    environment,
    timestamp: AT,
  };
  const next = fold([heartbeat(), { type: "trader_status", seq: 10, timestamp: AT, data }], LIVE);

  expect(next.series.length).toBe(LIVE.series.length + 1);
  expect(next.series.last).toMatchObject({ atMs: Date.parse(AT), lagMs: 0.4 });
});

test("an actor changes its node and no other", () => {
  const data = {
    name: "broadcaster",
    status: "backoff",
    restarts: 2,
    last_error: "boom",
    timestamp: AT,
  } as const;
  const next = reducing.reduce(LIVE, { type: "actor", seq: 11, timestamp: AT, data });
  const unknown = reducing.reduce(LIVE, {
    type: "actor",
    seq: 11,
    timestamp: AT,
    data: { ...data, name: "nobody" },
  });

  expect(next.tree?.children[0]).toMatchObject({ status: "backoff", restarts: 2, last_error: "boom" });
  expect(next.tree?.status).toBe("running");
  expect(unknown.tree).toBe(LIVE.tree);
});

test("an alert stays until it is over", () => {
  const data = alert({ level: "error" });
  const raised = reducing.reduce(LIVE, { type: "alert", seq: 11, timestamp: AT, data });
  const over = reducing.reduce(raised, {
    type: "alert",
    seq: 12,
    timestamp: AT,
    data: { ...data, is_active: false },
  });

  expect([...raised.alerts.keys()]).toEqual(["a"]);
  expect(over.alerts.size).toBe(0);
});

test("the log is capped", () => {
  const log = Array.from({ length: 20_500 }, (_, index) => line(`n${index}`));
  const full = reducing.reduce(EMPTY, snapshot({ log, transitions: [] }));
  const next = reducing.reduce(full, consoleLine(11, "newest"));

  expect(next.lines.length).toBe(20_000);
  expect(next.lines.last?.message).toBe("newest");
});
