/** What an alert changes: the list of those that are on, and the news for those who do not look. */
import type { Alert } from "../protocol/messages";
import type { Model } from "./model";

export function withAlert(model: Model, alert: Alert, seq: number): Model {
  const alerts = new Map(model.alerts);
  if (alert.is_active) alerts.set(alert.id, alert);
  else alerts.delete(alert.id);
  return { ...model, alerts, raised: isNews(model, alert, seq) ? model.raised.append(alert) : model.raised };
}

/** Begun or grown worse just now. What the trader had logged before this socket joined is told again, and is old. */
function isNews({ alerts, connection }: Model, { id, level, since, is_active }: Alert, seq: number): boolean {
  if (!is_active || seq <= (connection?.seq ?? 0)) return false;
  const known = alerts.get(id);
  return known === undefined || known.since !== since || (level === "error" && known.level !== "error");
}
