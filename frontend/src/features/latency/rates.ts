/** What the chart draws: columns of times in s and of rates per s. Null breaks the line: nothing was measured there. */
import type { Sample } from "../../model/model";
import type { Ring } from "../../model/ring";

export type Columns = readonly [times: readonly number[], ...rates: readonly (readonly (number | null)[])[]];

/** The newest this many samples, one a second. */
const SAMPLES_SHOWN = 300;
const KIB = 1024;
/** A rate over less than this would be noise. */
const SPAN_MS = 900;

export function ratesOf(series: Ring<Sample>): Columns {
  const samples = series.slice(-SAMPLES_SHOWN - 1);
  const shown = samples.slice(1);
  return [
    shown.map(({ atMs }) => atMs / 1000),
    shown.map(({ metrics }) => metrics.messages_per_second),
    growth(samples, ({ metrics }) => metrics.deltas_received),
    growth(samples, ({ receivedBytes }) => receivedBytes / KIB),
  ];
}

/** What a counter grew in a second, at each sample but the first. Null where it began anew or no time went by. */
function growth(samples: readonly Sample[], counter: (sample: Sample) => number): readonly (number | null)[] {
  return samples.slice(1).map((now, index) => {
    const before = sampleBefore(samples, now, index);
    const elapsedMs = before === undefined ? 0 : now.atMs - before.atMs;
    const added = before === undefined ? 0 : counter(now) - counter(before);
    return elapsedMs < SPAN_MS || added < 0 ? null : (added * 1000) / elapsedMs;
  });
}

/** The newest, from `index` backwards, that is a span away: a status may follow another at once. */
function sampleBefore(samples: readonly Sample[], now: Sample, index: number): Sample | undefined {
  for (let at = index; at >= 0; at--) {
    const before = samples[at];
    if (before !== undefined && (before.atMs > now.atMs || now.atMs - before.atMs >= SPAN_MS)) return before;
  }
  return undefined;
}
