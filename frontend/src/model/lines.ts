/** Rows of the events: log lines as they come, everything else in its text form. */
import type {
  Actor,
  Alert,
  CommandResult,
  ConsoleLine,
  FillReport,
  OrderReport,
  Risk,
  StateTransition,
} from "../protocol/messages";
import { LINES_MAX, type Line } from "./model";
import { Ring } from "./ring";

type NewLine = Omit<Line, "id">;

export function logLine(data: ConsoleLine): NewLine {
  const { seq, level, timestamp, source, message, context } = data;
  return { kind: "log", seq, level, timestamp, source, message, context, data };
}

export function transitionLine(data: StateTransition): NewLine {
  const { seq, from_state, to_state, context, timestamp } = data;
  const level = to_state === "error" ? "error" : "info";
  const message = `STATE TRANSITION: ${from_state} → ${to_state}`;
  return { kind: "transition", seq, level, timestamp, source: "state_machine", message, context, data };
}

export function actorLine(data: Actor, seq: number): NewLine {
  const { name, status, restarts, last_error, timestamp } = data;
  const level = status === "failed" ? "error" : status === "backoff" ? "warning" : "info";
  const message = restarts === 0 ? `actor ${status}` : `actor ${status}, restarts ${restarts}`;
  const context = level === "info" ? "" : (last_error ?? "");
  return { kind: "actor", seq, level, timestamp, source: name, message, context, data };
}

export function alertLine(data: Alert, seq: number, timestamp: string): NewLine {
  const { component: source, is_active: isActive } = data;
  const level = isActive ? data.level : "info";
  const message = isActive ? data.message : `over: ${data.message}`;
  return { kind: "alert", seq, level, timestamp, source, message, context: "", data };
}

export function riskLine(data: Risk, seq: number, timestamp: string): NewLine {
  const level = data.mode === "active" ? "info" : "warning";
  const message = `trading ${data.mode}, by ${data.by}`;
  return { kind: "risk", seq, level, timestamp, source: "risk", message, context: data.reason, data };
}

const ORDER_LEVELS: ReadonlyMap<string, Line["level"]> = new Map<string, Line["level"]>([
  ["unknown", "warning"],
  ["rejected", "warning"],
]);

export function orderLine(data: OrderReport, seq: number, timestamp: string): NewLine {
  const { client_order_id, side, ticker, price, count, filled, state, in_flight, why } = data;
  const level = ORDER_LEVELS.get(state) ?? "info";
  const under = in_flight === null ? "" : `, ${in_flight}`;
  const message = `order ${client_order_id} ${state}${under}: ${side} ${count} ${ticker} at ${price}, filled ${filled}`;
  return { kind: "order", seq, level, timestamp, source: "orders", message, context: why ?? "", data };
}

export function fillLine(data: FillReport, seq: number): NewLine {
  const { side, count, ticker, price, role, fee, timestamp } = data;
  const message = `fill: ${side} ${count} ${ticker} at ${price} as ${role}, fee ${fee}`;
  return { kind: "fill", seq, level: "info", timestamp, source: "fills", message, context: "", data };
}

export function commandLine(data: CommandResult, seq: number, timestamp: string): NewLine {
  const level = data.ok ? "info" : "warning";
  const message = `command ${data.ok ? "carried out" : "refused"}: ${data.reason}`;
  return { kind: "command", seq, level, timestamp, source: "console", message, context: "", data };
}

export function appendLine(lines: Ring<Line>, line: NewLine): Ring<Line> {
  return lines.append({ ...line, id: lines.total });
}

/** The events as a snapshot gives them: in the order of their times. */
export function linesOf(rows: readonly NewLine[]): Ring<Line> {
  const sorted = rows.toSorted((a, b) =>
    a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : 0,
  );
  return Ring.of(
    LINES_MAX,
    sorted.map((row, id) => ({ ...row, id })),
  );
}

/** What the clipboard gets of a transition; the same form as the plain log's. */
export function transitionText({ from_state, to_state, context, timestamp }: StateTransition): string {
  return `[${timestamp.slice(11, 19)}] STATE TRANSITION: ${from_state} → ${to_state}\n    ${context}`;
}

/** What the clipboard gets of a line: `2026-11-22T15:02:41.279Z #55174 INFO recon order acked`; stable, to be grepped. */
export function lineText(line: Line): string {
  const context = line.context === "" ? "" : `\n    ${line.context}`;
  if (line.kind === "transition") return `[${line.timestamp.slice(11, 19)}] ${line.message}${context}`;
  const number = line.seq === null ? "" : ` #${line.seq}`;
  return `${line.timestamp}${number} ${line.level.toUpperCase()} ${line.source} ${line.message}${context}`;
}
