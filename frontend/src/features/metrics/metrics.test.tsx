import { cleanup } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import type { Sample } from "../../model/model";
import { Ring } from "../../model/ring";
import { METRICS } from "../../testing/messages";
import { renderLive } from "../../testing/panel";
import { curveOf } from "./curves";
import { MetricsPanel } from "./MetricsPanel";
import * as rows from "./rows";
import { sparkPath } from "./Sparkline";

afterEach(cleanup);

const metric = (field: string) => document.querySelector(`[data-metric="${field}"]`);
const sample = (atMs: number, change: Partial<Sample["metrics"]>): Sample => ({
  atMs,
  lagMs: 0,
  receivedBytes: 0,
  metrics: { ...METRICS, ...change },
});

test("every number of the trader has its place, once", () => {
  expect(rows.METRICS.map(({ field }) => field).toSorted()).toEqual(Object.keys(METRICS).toSorted());
});

test("a metric that is null is a dash, one that counts trouble says so", () => {
  renderLive(<MetricsPanel />, { metrics: { ...METRICS, first_snapshot_received: null, gaps_detected: 2 } });

  expect(metric("first_snapshot_received")?.querySelector("dd")?.textContent).toBe("-");
  expect(metric("messages_per_second")?.querySelector("dd")?.textContent).toBe("312.4 /s");
  expect(metric("gaps_detected")?.getAttribute("data-alarm")).toBe("true");
  expect(metric("resyncs")?.getAttribute("data-alarm")).toBe("false");
});

test("a level is drawn as it is, a counter as what was added, a word not at all", () => {
  const series = Ring.of(10, [
    sample(0, { rss_mb: 60, deltas_received: 100 }),
    sample(1, { rss_mb: 61, deltas_received: 130 }),
    sample(2, { rss_mb: 59, deltas_received: 10 }),
  ]);

  expect(curveOf("rss_mb", series)).toEqual([60, 61, 59]);
  expect(curveOf("deltas_received", series)).toEqual([30, 0]);
  expect(curveOf("health", series)).toBeNull();
});

test("a line goes from edge to edge, its highest at the top; all zeros lie at the bottom", () => {
  expect(sparkPath([0, 2, 1])).toBe("M0.0 13.0L30.0 1.0L60.0 7.0");
  expect(sparkPath([0, 0])).toBe("M0.0 13.0L60.0 13.0");
});
