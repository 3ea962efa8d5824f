/** Which lines match, kept up as lines come: a new line is tested once, the old ones only when the question changes. */
import { LINES_MAX, type Line } from "../../model/model";
import { Ring } from "../../model/ring";
import { LEVELS, type Level, type LineKind, type Span } from "../../model/view";

export interface Question {
  readonly text: string;
  readonly level: Level;
  /** Null: all. */
  readonly source: string | null;
  readonly kind: LineKind | null;
}

/** A row of the window: a line, or the indented reason below a change of state, as the original's terminal has it. */
export interface Row {
  readonly line: Line;
  readonly part: "line" | "reason";
  /** Which of the matches it belongs to, counted from the first ever. */
  readonly nth: number;
}

export type Matcher = (lines: Ring<Line>, question: Question) => Ring<Row>;

interface Answer {
  readonly lines: Ring<Line>;
  readonly question: Question;
  readonly rows: Ring<Row>;
}

const SPAN_MS: Readonly<Record<Exclude<Span, "all">, number>> = {
  "1m": 60_000,
  "5m": 300_000,
  "15m": 900_000,
  "1h": 3_600_000,
};

export function createMatcher(): Matcher {
  let last: Answer | null = null;

  return (lines, question) => {
    const isKept = last !== null && isSame(last.question, question) && lines.continues(last.lines);
    const base = isKept ? last : null;
    const isMatch = matching(question);
    let rows = base?.rows ?? Ring.of<Row>(2 * LINES_MAX);
    for (const line of lines.since(base?.lines)) {
      if (isMatch(line)) rows = appendRows(rows, line);
    }
    last = { lines, question, rows };
    return rows;
  };
}

/** The index of the first row that is still held and within the span, which ends at `nowMs`. */
export function firstWithin(
  rows: Ring<Row>,
  lines: Ring<Line>,
  { span, nowMs }: { readonly span: Span; readonly nowMs: number | null },
): number {
  const oldestId = lines.at(0)?.id ?? 0;
  const since = span === "all" || nowMs === null ? "" : new Date(nowMs - SPAN_MS[span]).toISOString();
  return lowerBound(rows, ({ line }) => line.id >= oldestId && line.timestamp >= since);
}

/** The index of the line's first row among all rows; of the next one's if it does not match. */
export function indexOfLine(rows: Ring<Row>, id: number): number {
  return lowerBound(rows, ({ line }) => line.id >= id);
}

/** The line before or after the given one among the rows from `from` on; the newest when none is given. */
export function neighbour(rows: Ring<Row>, from: number, line: Line | null, step: 1 | -1): Line | undefined {
  if (line === null) return rows.length > from ? rows.last?.line : undefined;
  let index = indexOfLine(rows, line.id);
  if (step === -1) index -= 1;
  else while (rows.at(index)?.line === line) index += 1;
  return index < from ? undefined : rows.at(index)?.line;
}

function lowerBound(rows: Ring<Row>, isReached: (row: Row) => boolean): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const row = rows.at(middle);
    if (row === undefined || isReached(row)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function appendRows(rows: Ring<Row>, line: Line): Ring<Row> {
  const nth = (rows.last?.nth ?? -1) + 1;
  const withLine = rows.append({ line, part: "line", nth });
  const hasReason = line.kind === "transition" && line.context !== "";
  return hasReason ? withLine.append({ line, part: "reason", nth }) : withLine;
}

function isSame(a: Question, b: Question): boolean {
  return a.text === b.text && a.level === b.level && a.source === b.source && a.kind === b.kind;
}

function matching({ text, level, source, kind }: Question): (line: Line) => boolean {
  const lowest = LEVELS.indexOf(level);
  const needle = text.toLowerCase();
  return (line) =>
    LEVELS.indexOf(line.level) >= lowest &&
    (source === null || line.source === source) &&
    (kind === null || line.kind === kind) &&
    (needle === "" || `${line.message} ${line.context} ${line.source}`.toLowerCase().includes(needle));
}
