/** The history of states: what a replay adds to what is known, and which status a transition stands for. */
import type { StateTransition } from "../protocol/messages";
import type { TraderState } from "./model";
import type { Ring } from "./ring";

/** Add what is missing of a replay; a replay overlaps with what a snapshot or a resume has brought. */
export function merge(
  known: Ring<StateTransition>,
  replayed: readonly StateTransition[],
): Ring<StateTransition> {
  const isNew = (one: StateTransition) =>
    !isKnown(known, one) && one.timestamp >= (known.last?.timestamp ?? "");
  return replayed.filter(isNew).reduce((ring, transition) => ring.append(transition), known);
}

/** After a resume the status may arrive ahead of the transitions that led to it: an older one changes nothing. */
export function traderAfter(trader: TraderState | null, transition: StateTransition): TraderState | null {
  const { to_state: state, timestamp: since, context, metrics } = transition;
  if (metrics === null || (trader !== null && since < trader.since)) return trader;
  return { state, since, context, metrics, health: metrics.health, reasons: trader?.reasons ?? [] };
}

function isKnown(
  known: Ring<StateTransition>,
  { timestamp, from_state, to_state }: StateTransition,
): boolean {
  const isSame = (one: StateTransition) =>
    one.timestamp === timestamp && one.from_state === from_state && one.to_state === to_state;
  return known.find(isSame) !== undefined;
}
