import { expect, test } from "vitest";
import type { Message } from "../protocol/messages";
import {
  AT,
  connection,
  consoleLine,
  heartbeat,
  line,
  market,
  snapshot,
  TREE,
  transition,
} from "../testing/messages";
import { EMPTY, type Model } from "./model";
import { reduce } from "./reduce";

const fold = (messages: readonly Message[], from: Model = EMPTY) => messages.reduce(reduce, from);
const LIVE = fold([connection(), snapshot()]);

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

  expect(reduce(LIVE, next)).toEqual({ ...EMPTY, connection: next.data });
});

test("a resumed connection keeps every slice", () => {
  const next = connection({ resumed: true });

  expect(reduce(LIVE, next)).toEqual({ ...LIVE, connection: next.data });
});

test("resumed, but of an epoch that we do not hold, is not believed", () => {
  expect(reduce(LIVE, connection({ resumed: true, epoch: "e9" })).isSynced).toBe(false);
});

test("a logged message that is already here changes nothing", () => {
  const once = reduce(LIVE, consoleLine(11, "once"));

  expect(reduce(once, consoleLine(11, "once"))).toBe(once);
  expect(reduce(once, consoleLine(12, "next")).lines.length).toBe(once.lines.length + 1);
});

test("conflated messages do not move the place to resume from", () => {
  expect(reduce(LIVE, heartbeat(500)).seq).toBe(10);
  expect(reduce(LIVE, { type: "market", seq: 500, timestamp: AT, data: market() }).seq).toBe(10);
});

test("a transition moves the state, the history and the terminal", () => {
  const next = reduce(LIVE, moved(11, "ready", "error", "2026-11-22T10:31:00.000Z"));

  expect(next.trader).toMatchObject({
    state: "error",
    since: "2026-11-22T10:31:00.000Z",
    context: "because of error",
  });
  expect(next.transitions.last?.to_state).toBe("error");
  expect(next.lines.last).toMatchObject({ level: "error", kind: "transition" });
});

test("a transition that arrives after the status it led to does not turn the state back", () => {
  const late = reduce(LIVE, moved(11, "startup", "initializing", "2026-11-22T10:00:00.000Z"));

  expect(late.trader?.state).toBe("ready");
});

test("a replay adds only what is missing", () => {
  const newer = transition("ready", "error", "2026-11-22T10:31:00.000Z");
  const data = { transitions: [transition("initializing", "ready"), newer], count: 2 };
  const replayed = reduce(LIVE, { type: "history_replay", seq: 10, timestamp: AT, data });
  const moreover = reduce(replayed, { type: "state_transition", seq: 11, timestamp: AT, data: newer });

  expect(replayed.transitions.slice().map(({ to_state }) => to_state)).toEqual(["ready", "error"]);
  expect(moreover.transitions.length).toBe(2);
  expect(moreover.lines.length).toBe(LIVE.lines.length + 1);
});

test("a market replaces its own row and leaves the other slices alone", () => {
  const data = market({ book_state: "stale", stale_reason: "gap" });
  const next = reduce(LIVE, { type: "market", seq: 10, timestamp: AT, data });

  expect(next.markets.get(data.ticker)).toEqual(data);
  expect(LIVE.markets.get(data.ticker)?.book_state).toBe("live");
  expect(next.lines).toBe(LIVE.lines);
  expect(next.tree).toBe(LIVE.tree);
});

test("an actor changes its node and no other", () => {
  const data = {
    name: "broadcaster",
    status: "backoff",
    restarts: 2,
    last_error: "boom",
    timestamp: AT,
  } as const;
  const next = reduce(LIVE, { type: "actor", seq: 11, timestamp: AT, data });
  const unknown = reduce(LIVE, { type: "actor", seq: 11, timestamp: AT, data: { ...data, name: "nobody" } });

  expect(next.tree?.children[0]).toMatchObject({ status: "backoff", restarts: 2, last_error: "boom" });
  expect(next.tree?.status).toBe("running");
  expect(unknown.tree).toBe(LIVE.tree);
});

test("an alert stays until it is over", () => {
  const data = {
    id: "a",
    level: "error",
    component: "feed",
    message: "gap",
    since: AT,
    is_active: true,
  } as const;
  const raised = reduce(LIVE, { type: "alert", seq: 11, timestamp: AT, data });
  const over = reduce(raised, { type: "alert", seq: 12, timestamp: AT, data: { ...data, is_active: false } });

  expect([...raised.alerts.keys()]).toEqual(["a"]);
  expect(over.alerts.size).toBe(0);
});

test("the log is capped", () => {
  const log = Array.from({ length: 20_500 }, (_, index) => line(`n${index}`));
  const full = reduce(EMPTY, snapshot({ log, transitions: [] }));
  const next = reduce(full, consoleLine(11, "newest"));

  expect(next.lines.length).toBe(20_000);
  expect(next.lines.last?.message).toBe("newest");
});
