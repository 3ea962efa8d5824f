/** Where `[` and `]` go: from transition to transition, by their numbers in the event log. */
import type { StateTransition } from "../protocol/messages";
import type { Ring } from "./ring";

/** The number of the transition before `at` (null: now); null if none is known. */
export function momentBefore(transitions: Ring<StateTransition>, at: number | null): number | null {
  let found: number | null = null;
  for (const { seq } of transitions.slice()) if (seq !== null && (at === null || seq < at)) found = seq;
  return found;
}

/** The number of the transition after `at`; null: there is none, so it is now. */
export function momentAfter(transitions: Ring<StateTransition>, at: number): number | null {
  for (const { seq } of transitions.slice()) if (seq !== null && seq > at) return seq;
  return null;
}
