import { expect, test } from "vitest";
import { transition } from "../testing/messages";
import { momentAfter, momentBefore } from "./moments";
import { Ring } from "./ring";
import { edgeKey, staysOf } from "./stays";

const at = (second: number) => `2026-11-22T10:30:${String(second).padStart(2, "0")}.000Z`;
const HISTORY = Ring.of(100, [
  transition("ready", "shutdown", at(0), null),
  transition("startup", "ready", at(1), 3),
  transition("ready", "error", at(4), 7),
  transition("error", "ready", at(5), 9),
  transition("ready", "error", at(20), 12),
]);

test("entries and ways are counted, and a stay is from one transition to the next", () => {
  const { entries, edges, medianMs } = staysOf(HISTORY);

  expect(Object.fromEntries(entries)).toEqual({ shutdown: 1, ready: 2, error: 2 });
  expect(edges.get(edgeKey("ready", "error"))).toBe(2);
  expect(Object.fromEntries(medianMs)).toEqual({ ready: 3_000, error: 1_000 });
});

test("the time between two runs is nobody's stay", () => {
  expect(staysOf(HISTORY).medianMs.has("shutdown")).toBe(false);
});

test("from now one goes back to the newest transition, and forth from it to now", () => {
  expect(momentBefore(HISTORY, null)).toBe(12);
  expect(momentBefore(HISTORY, 12)).toBe(9);
  expect(momentBefore(HISTORY, 3)).toBeNull();
  expect(momentAfter(HISTORY, 4)).toBe(7);
  expect(momentAfter(HISTORY, 12)).toBeNull();
});
