/** Rows of the terminal: log lines as they come, transitions in their text form. */
import type { ConsoleLine, StateTransition } from "../protocol/messages";
import { LINES_MAX, type Line } from "./model";
import { Ring } from "./ring";

type NewLine = Omit<Line, "id">;

export function logLine(line: ConsoleLine): NewLine {
  return { ...line, kind: "log" };
}

export function transitionLine(transition: StateTransition): NewLine {
  const { from_state, to_state, context, timestamp } = transition;
  return {
    kind: "transition",
    level: to_state === "error" ? "error" : "info",
    timestamp,
    message: `STATE TRANSITION: ${from_state} → ${to_state}`,
    context,
  };
}

export function appendLine(lines: Ring<Line>, line: NewLine): Ring<Line> {
  return lines.append({ ...line, id: lines.total });
}

/** The terminal as a snapshot gives it: log and transitions in the order of their times. */
export function linesOf(log: readonly ConsoleLine[], transitions: readonly StateTransition[]): Ring<Line> {
  const rows = [...log.map(logLine), ...transitions.map(transitionLine)];
  rows.sort((a, b) => (a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : 0));
  return Ring.of(
    LINES_MAX,
    rows.map((row, id) => ({ ...row, id })),
  );
}

/** What the clipboard gets; the same form as the plain log's. */
export function transitionText({ from_state, to_state, context, timestamp }: StateTransition): string {
  return `[${timestamp.slice(11, 19)}] STATE TRANSITION: ${from_state} → ${to_state}\n    ${context}`;
}

export function lineText(line: Line): string {
  const context = line.context === "" ? "" : `\n    ${line.context}`;
  return line.kind === "transition"
    ? `[${line.timestamp.slice(11, 19)}] ${line.message}${context}`
    : `${line.timestamp} ${line.level.toUpperCase()} ${line.message}${context}`;
}
