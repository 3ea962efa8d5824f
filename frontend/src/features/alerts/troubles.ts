import type { Model } from "../../model/model";
import type { Trouble } from "./AlertRow";

/** One list of three kinds, worst first. */
export function troubles(
  trader: Model["trader"],
  alerts: Model["alerts"],
  warnings: Model["warnings"],
): readonly Trouble[] {
  const active = [...alerts.values()].map((alert): Trouble => ({ ...alert, kind: "alert" }));
  const reasons = (trader?.reasons ?? []).map(
    ({ component, since, message }): Trouble => ({
      id: `reason ${component} ${message}`,
      kind: "reason",
      level: trader?.health === "unhealthy" ? "error" : "warning",
      component,
      since,
      message,
    }),
  );
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
  return [...active, ...reasons, ...settings].toSorted(
    (a, b) => Number(a.level !== "error") - Number(b.level !== "error"),
  );
}
