import { act, cleanup, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import type { Sample } from "../../model/model";
import { Ring } from "../../model/ring";
import type { LatencyStage, Message } from "../../protocol/messages";
import { AT, METRICS } from "../../testing/messages";
import { renderConnecting, renderLive } from "../../testing/panel";
import { barsOf, micros, stageName } from "./buckets";
import { ratesOf } from "./rates";
import { Throughput } from "./Throughput";

afterEach(cleanup);

const sample = (atMs: number, deltas_received: number, receivedBytes = 0): Sample => ({
  atMs,
  lagMs: 0,
  receivedBytes,
  metrics: { ...METRICS, deltas_received },
});

const STAGE: LatencyStage = {
  window_s: 60,
  count: 7,
  bounds_us: [100, 200, 400],
  counts: [1, 4, 0, 2],
  p50_us: 180,
  p99_us: 2_040,
  max_us: 1_500_000,
};

test("deltas a second are what came between two samples; a counter that began anew leaves a hole", () => {
  const series = Ring.of(10, [sample(0, 100), sample(1_000, 400), sample(3_000, 500), sample(4_000, 20)]);

  expect(ratesOf(series)).toEqual([
    [1, 3, 4],
    [METRICS.messages_per_second, METRICS.messages_per_second, METRICS.messages_per_second],
    [300, 50, null],
    [0, 0, 0],
  ]);
});

test("KiB a second are what this page received between two samples; another process leaves a hole", () => {
  const series = Ring.of(10, [
    sample(0, 0, 1_024),
    sample(1_000, 0, 5_120),
    sample(3_000, 0, 6_144),
    sample(4_000, 0, 0),
  ]);

  expect(ratesOf(series)[3]).toEqual([4, 0.5, null]);
});

test("a status right behind another makes no peak, and a clock set back one hole only", () => {
  const rates = (...atMs: readonly number[]) =>
    ratesOf(
      Ring.of(
        10,
        atMs.map((at, index) => sample(at, 100 * index)),
      ),
    )[2];

  expect(rates(0, 1_000, 1_002, 2_002)).toEqual([100, 200_000 / 1_002, 100]);
  expect(rates(5_000, 1_000, 2_000)).toEqual([null, 100]);
});

test("what came in is told in the head, in KiB a second, and missing until it is measured", () => {
  const store = renderLive(<Throughput />);
  expect(screen.getByTestId("received-rate").textContent).toBe("-");

  const status = (atMs: number): Message => ({
    type: "trader_status",
    seq: 10,
    timestamp: new Date(atMs).toISOString(),
    data: {
      state: "ready",
      state_since: AT,
      state_context: "",
      uptime: 60,
      metrics: METRICS,
      health: "healthy",
      reasons: [],
      environment: "sim",
      timestamp: AT,
    },
  });
  act(() => store.push([status(Date.parse(AT) + 1_000)], 0, 25_600));
  expect(screen.getByTestId("received-rate").textContent).toBe("25 KiB");
});

test("no sample and one sample draw nothing", () => {
  expect(ratesOf(Ring.of(10))).toEqual([[], [], [], []]);
  expect(ratesOf(Ring.of(10, [sample(0, 1)]))).toEqual([[], [], [], []]);
});

test("bars are shares of the fullest bucket, the last holds what is above all bounds", () => {
  expect(barsOf(STAGE).map(({ label, count, share }) => [label, count, share])).toEqual([
    ["≤ 100 µs", 1, 0.25],
    ["≤ 200 µs", 4, 1],
    ["≤ 400 µs", 0, 0],
    ["> 400 µs", 2, 0.5],
  ]);
  expect(barsOf({ bounds_us: [], counts: [0] })).toEqual([{ label: "> 0 µs", count: 0, share: 0 }]);
});

test("empty buckets at both ends are left out, but a few stay", () => {
  const none = Array.from({ length: 20 }, () => 0);
  const held = (counts: readonly number[]) =>
    barsOf({ bounds_us: [], counts: [...counts] }).map(({ count }) => count);

  expect(held([...none, 3, 1, ...none])).toEqual([3, 1, 0, 0, 0, 0, 0, 0]);
  expect(held([...none, 3])).toEqual([0, 0, 0, 0, 0, 0, 0, 3]);
  expect(held(none).length).toBe(8);
});

test.each([
  [512, "512 µs"],
  [2_040, "2.0 ms"],
  [1_500_000, "1.5 s"],
])("%i µs are %s", (us, words) => {
  expect(micros(us)).toBe(words);
});

test("a stage's name is read as a way", () => {
  expect(stageName("receive_to_book")).toBe("receive → book");
  expect(stageName("loop_lag")).toBe("loop lag");
});

test("each stage has its numbers, and says them also to those who do not see bars", () => {
  renderLive(<Throughput />, { latency: { stages: { receive_to_book: STAGE } } });

  expect(screen.getByTestId("stage").textContent).toBe("receive → bookp50180 µsp992.0 msmax1.5 sn7");
  expect(screen.getByRole("img", { name: /receive → book: p50 180 µs.*7 in 60 s/ })).toBeTruthy();
});

test("a stage in which nothing was measured has no numbers, not zeros", () => {
  const idle = { ...STAGE, count: 0, counts: [0, 0, 0, 0], p50_us: null, p99_us: null, max_us: null };
  renderLive(<Throughput />, { latency: { stages: { loop_lag: idle } } });

  expect(screen.getByTestId("stage").textContent).toBe("loop lagp50-p99-max-n0");
});

test("before the trader answers it says what will come", () => {
  renderConnecting(<Throughput />);

  expect(screen.getByText(/first answer/)).toBeTruthy();
});
