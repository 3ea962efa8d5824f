import { expect, test } from "vitest";
import type { Line } from "../../model/model";
import { Ring } from "../../model/ring";
import { createMatcher, LEVELS } from "./filter";

function row(id: number): Line {
  const level = LEVELS[id % LEVELS.length] ?? "info";
  return {
    id,
    kind: "log",
    level,
    timestamp: "",
    message: `Line ${id % 3}`,
    context: id % 2 === 0 ? "even" : "",
  };
}

const QUESTIONS = [
  { text: "", level: "debug" },
  { text: "line 1", level: "debug" },
  { text: "EVEN", level: "warning" },
  { text: "nothing", level: "debug" },
] as const;

test.each(QUESTIONS)("kept up line by line it equals a fresh search for %j", (question) => {
  const match = createMatcher();
  let lines = Ring.of<Line>(20);
  for (let id = 0; id < 100; id++) {
    lines = lines.append(row(id));

    expect(match(lines, question)).toEqual(createMatcher()(lines, question));
  }
});

test("the same question on the same lines gives the same array", () => {
  const match = createMatcher();
  const lines = Ring.of(20, [row(0), row(1)]);

  expect(match(lines, QUESTIONS[1])).toBe(match(lines, { ...QUESTIONS[1] }));
});

test("a new list is searched anew", () => {
  const match = createMatcher();
  match(Ring.of(20, [row(0), row(1), row(2)]), QUESTIONS[0]);

  expect(match(Ring.of(20, [row(4)]), QUESTIONS[0])).toEqual([row(4)]);
});
