/** A stage of the latency as bars: which part of the buckets is worth a look, and how its numbers read. */
import type { LatencyStage } from "../../protocol/messages";

export interface Bar {
  /** What the bucket holds: `≤ 512 µs`, `> 1.0 s`. */
  readonly label: string;
  readonly count: number;
  /** Of the fullest. */
  readonly share: number;
}

/** At least this many bars, so that one bucket alone does not look like a wall. */
const BARS_MIN = 8;

export function barsOf({ bounds_us, counts }: Pick<LatencyStage, "bounds_us" | "counts">): readonly Bar[] {
  const most = Math.max(1, ...counts);
  const last = counts.findLastIndex((count) => count > 0);
  const start = Math.max(
    0,
    Math.min(
      counts.findIndex((count) => count > 0),
      counts.length - BARS_MIN,
    ),
  );
  const end = Math.min(counts.length, Math.max(start + BARS_MIN, last + 1));
  return counts.slice(start, end).map((count, index) => ({
    label: bucket(bounds_us, start + index),
    count,
    share: count / most,
  }));
}

/** `512 µs`, `2.0 ms`, `1.5 s`. */
export function micros(us: number): string {
  if (us < 1_000) return `${Math.round(us)} µs`;
  return us < 1_000_000 ? `${(us / 1_000).toFixed(1)} ms` : `${(us / 1_000_000).toFixed(1)} s`;
}

/** `receive_to_book` as `receive → book`. */
export function stageName(name: string): string {
  return name.replaceAll("_to_", " → ").replaceAll("_", " ");
}

function bucket(bounds: readonly number[], index: number): string {
  const bound = bounds[index];
  return bound === undefined ? `> ${micros(bounds.at(-1) ?? 0)}` : `≤ ${micros(bound)}`;
}
