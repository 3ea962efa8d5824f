/** The metrics that have a line beside their number, and how to draw it from the samples. */
import type { Sample } from "../../model/model";
import type { Ring } from "../../model/ring";
import type { Metrics } from "../../protocol/messages";

/** Two minutes, one sample a second. */
const SAMPLES_SHOWN = 120;

/** Counters are drawn as what was added from one sample to the next. */
const KINDS: ReadonlyMap<keyof Metrics, "level" | "counter"> = new Map([
  ["markets_connected", "level"],
  ["messages_per_second", "level"],
  ["loop_lag_ms", "level"],
  ["rss_mb", "level"],
  ["deltas_received", "counter"],
  ["snapshots_received", "counter"],
]);

/** Null for a number that is not drawn. */
export function curveOf(field: keyof Metrics, series: Ring<Sample>): readonly number[] | null {
  const kind = KINDS.get(field);
  if (kind === undefined) return null;
  const values = series
    .slice(-SAMPLES_SHOWN)
    .map(({ metrics }) => metrics[field])
    .filter((value) => typeof value === "number");
  if (kind === "level") return values;
  return values.slice(1).map((value, index) => Math.max(0, value - (values[index] ?? value)));
}
