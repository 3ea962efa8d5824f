import type { Model } from "../../model/model";

/** One thing that a person should look at. */
export interface Trouble {
  readonly id: string;
  /** `health`: a reason of the verdict; `lint`: a rule that `count` things break; `warning`: about the set-up. */
  readonly kind: "health" | "lint" | "warning";
  readonly count: number;
  readonly level: "warning" | "error";
  readonly component: string;
  /** Null for what has been so since the start. */
  readonly since: string | null;
  readonly message: string;
}

/** One list of all kinds, worst first. */
export function troubles(alerts: Model["alerts"], warnings: Model["warnings"]): readonly Trouble[] {
  const settings = warnings.map(
    (message): Trouble => ({
      id: `warning ${message}`,
      kind: "warning",
      count: 1,
      level: "warning",
      component: "set-up",
      since: null,
      message,
    }),
  );
  return [...alerts.values(), ...settings].toSorted(
    (a, b) => Number(a.level !== "error") - Number(b.level !== "error"),
  );
}

/** What tells one occurrence from the next: an alarm that ends and comes again is a new one. */
export function occurrence({ id, since }: Trouble): string {
  return `${id} ${since ?? ""}`;
}
