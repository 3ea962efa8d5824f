import { expect, test } from "vitest";
import type { Line } from "../../model/model";
import { Ring } from "../../model/ring";
import { LEVELS } from "../../model/view";
import * as messages from "../../testing/messages";
import { createMatcher, firstWithin, indexOfLine, neighbour, type Question } from "./filter";

const ALL: Question = { text: "", level: "debug", source: null, kind: null };

function line(id: number): Line {
  const level = LEVELS[id % LEVELS.length] ?? "info";
  const isTransition = id % 7 === 0;
  return {
    id,
    seq: id,
    kind: isTransition ? "transition" : "log",
    level,
    timestamp: new Date(id * 1_000).toISOString(),
    source: id % 4 === 0 ? "feed" : "recon",
    message: `Line ${id % 3}`,
    context: id % 2 === 0 ? "even" : "",
    data: messages.line(""),
  };
}

const lines = (count: number, cap = 200) =>
  Ring.of(
    cap,
    Array.from({ length: count }, (_, id) => line(id)),
  );

const QUESTIONS: readonly Question[] = [
  ALL,
  { ...ALL, text: "line 1" },
  { ...ALL, text: "EVEN", level: "warning" },
  { ...ALL, source: "feed" },
  { ...ALL, kind: "transition" },
  { ...ALL, text: "nothing" },
];

test.each(QUESTIONS)("kept up line by line it equals a fresh search for %j", (question) => {
  const match = createMatcher();
  let grown = Ring.of<Line>(20);
  for (let id = 0; id < 100; id++) {
    grown = grown.append(line(id));
    const kept = match(grown, question);
    const fresh = createMatcher()(grown, question);
    const from = firstWithin(kept, grown, { span: "all", nowMs: null });

    expect(kept.slice(from).map(({ line: { id }, part }) => [id, part])).toEqual(
      fresh.slice().map(({ line: { id }, part }) => [id, part]),
    );
  }
});

test("a search that is kept up looks at new lines only", () => {
  const match = createMatcher();
  const before = lines(20);
  const kept = match(before, QUESTIONS[1] ?? ALL);

  expect(match(before, { ...ALL, text: "line 1" })).toBe(kept);
  expect(match(before.append(line(21)), { ...ALL, text: "line 1" }).slice(0, 3)).toEqual(kept.slice(0, 3));
});

test("a new list is searched anew", () => {
  const match = createMatcher();
  match(lines(3), ALL);

  expect(match(Ring.of(20, [line(4)]), ALL).slice()).toEqual([{ line: line(4), part: "line", nth: 0 }]);
});

test("a change of state has its reason on a row of its own", () => {
  const rows = createMatcher()(Ring.of(20, [line(14), line(15)]), ALL);

  expect(rows.slice().map(({ part, nth }) => [part, nth])).toEqual([
    ["line", 0],
    ["reason", 0],
    ["line", 1],
  ]);
});

test("a span ends at the moment shown and begins so long before", () => {
  const held = lines(100);
  const rows = createMatcher()(held, { ...ALL, kind: "log" });
  const from = firstWithin(rows, held, { span: "1m", nowMs: 99_000 });

  expect(rows.at(from)?.line.id).toBe(39);
  expect(firstWithin(rows, held, { span: "all", nowMs: 99_000 })).toBe(0);
});

test("from row to row forwards and back, and not beyond the ends", () => {
  const held = lines(16);
  const rows = createMatcher()(held, ALL);
  const last = neighbour(rows, 0, null, -1);
  const next = (from: Line | undefined, step: 1 | -1) => neighbour(rows, 0, from ?? null, step)?.id;

  expect(last?.id).toBe(15);
  expect(next(last, -1)).toBe(14);
  expect(next(line(14), -1)).toBe(13);
  expect(next(rows.at(0)?.line, 1)).toBe(1);
  expect(next(rows.at(0)?.line, -1)).toBeUndefined();
  expect(next(last, 1)).toBeUndefined();
  expect(rows.at(indexOfLine(rows, 14))?.part).toBe("line");
});
