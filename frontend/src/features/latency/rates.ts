/** What the chart draws: columns of times in s and of rates per s. Null breaks the line: nothing was measured there. */
import type { Sample } from "../../model/model";
import type { Ring } from "../../model/ring";

export type Columns = readonly [times: readonly number[], ...rates: readonly (readonly (number | null)[])[]];

/** The newest this many samples, one a second. */
const SAMPLES_SHOWN = 300;

export function ratesOf(series: Ring<Sample>): Columns {
  const samples = series.slice(-SAMPLES_SHOWN - 1);
  const shown = samples.slice(1);
  return [
    shown.map(({ atMs }) => atMs / 1000),
    shown.map(({ metrics }) => metrics.messages_per_second),
    shown.map((sample, index) => deltasPerSecond(samples[index], sample)),
  ];
}

/** Null across a moment without samples, and where the counter began anew. */
export function deltasPerSecond(before: Sample | undefined, now: Sample): number | null {
  if (before === undefined) return null;
  const elapsedMs = now.atMs - before.atMs;
  const deltas = now.metrics.deltas_received - before.metrics.deltas_received;
  return elapsedMs <= 0 || deltas < 0 ? null : (deltas * 1000) / elapsedMs;
}
