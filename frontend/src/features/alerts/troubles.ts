import type { Model } from "../../model/model";
import type { Trouble } from "./AlertRow";

/** One list of two kinds, worst first. The reasons of health come as alerts. */
export function troubles(alerts: Model["alerts"], warnings: Model["warnings"]): readonly Trouble[] {
  const active = [...alerts.values()].map((alert): Trouble => ({ ...alert, kind: "alert" }));
  const settings = warnings.map(
    (message): Trouble => ({
      id: `warning ${message}`,
      kind: "warning",
      level: "warning",
      component: "set-up",
      since: null,
      message,
    }),
  );
  return [...active, ...settings].toSorted(
    (a, b) => Number(a.level !== "error") - Number(b.level !== "error"),
  );
}
