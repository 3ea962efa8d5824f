/** How often alarms may be told: one of a kind, level and way in ten seconds. The others are in the strip. */
import type { Alert } from "../../protocol/messages";
import type { Way } from "./wishes";

export const APART_MS = 10_000;

export type Pace = (alert: Alert, way: Way, nowMs: number) => boolean;

/** The level counts, so that a warning never mutes the error that it grows to. */
export function createPace(): Pace {
  const toldAtMs = new Map<string, number>();
  return ({ kind, level }, way, nowMs) => {
    const key = `${kind} ${level} ${way}`;
    if (nowMs - (toldAtMs.get(key) ?? Number.NEGATIVE_INFINITY) < APART_MS) return false;
    toldAtMs.set(key, nowMs);
    return true;
  };
}
