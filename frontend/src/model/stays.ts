/** What the history says of the machine: how often each state was entered, for how long, and which ways were taken. */
import type { StateTransition } from "../protocol/messages";
import type { Ring } from "./ring";

export interface Stays {
  readonly entries: ReadonlyMap<string, number>;
  /** Of stays that are over; a state without one is missing. */
  readonly medianMs: ReadonlyMap<string, number>;
  /** By `edgeKey`. */
  readonly edges: ReadonlyMap<string, number>;
}

export function edgeKey(from: string, to: string): string {
  return `${from} ${to}`;
}

export function staysOf(transitions: Ring<StateTransition>): Stays {
  const entries = new Map<string, number>();
  const edges = new Map<string, number>();
  const lasted = new Map<string, number[]>();
  let before: StateTransition | undefined;
  for (const one of transitions.slice()) {
    add(entries, one.to_state);
    add(edges, edgeKey(one.from_state, one.to_state));
    // Where two runs meet nobody stayed anywhere in between.
    if (before?.to_state === one.from_state) {
      const ms = Date.parse(one.timestamp) - Date.parse(before.timestamp);
      const known = lasted.get(one.from_state);
      if (known === undefined) lasted.set(one.from_state, [ms]);
      else known.push(ms);
    }
    before = one;
  }
  const medianMs = new Map([...lasted].map(([state, ms]) => [state, median(ms)]));
  return { entries, medianMs, edges };
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** The lower one of the two in the middle, so that it is a length that really was. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1] ?? 0;
}
