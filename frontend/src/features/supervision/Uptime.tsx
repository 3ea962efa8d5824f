import type { ReactNode } from "react";
import { useServerNow } from "../../feed/hooks";
import { Num } from "../../ui/Num";

/** How long the actor has been as it is. */
export function Uptime({ since }: { readonly since: string }): ReactNode {
  const nowMs = useServerNow();
  return <Num value={brief(nowMs - Date.parse(since))} />;
}

const UNITS = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
] as const;

/** `34 s`, `4 m`, `3 h`, `12 d`: one unit, so that every row has the same room. */
export function brief(ms: number): string {
  for (const [unitMs, name] of UNITS) {
    if (ms >= unitMs) return `${Math.floor(ms / unitMs)} ${name}`;
  }
  return `${Math.max(0, Math.floor(ms / 1_000))} s`;
}
