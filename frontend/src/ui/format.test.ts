import { expect, test } from "vitest";
import { count, dollars, duration, gain, lapse } from "./format";

test.each([
  [-500, "0 s"],
  [59_999, "59 s"],
  [252_000, "4 m 12 s"],
  [3_600_000 * 3 + 60_000 * 5, "3 h 05 m"],
  [86_400_000 * 2 + 3_600_000 * 4, "2 d 4 h"],
])("%i ms is %s", (ms, words) => {
  expect(duration(ms)).toBe(words);
});

test.each([
  [-1, "0 ms"],
  [600, "600 ms"],
  [3_140, "3.1 s"],
  [61_000, "1 m 01 s"],
])("a lapse of %i ms is %s", (ms, words) => {
  expect(lapse(ms)).toBe(words);
});

test("counts are grouped", () => {
  expect(count(48_704)).toBe("48,704");
});

test("money is the trader's own text, without the zeros behind its cents", () => {
  expect(["10.870000", "-0.017472", "1234567.500000", "0.000000", "what"].map(dollars)).toEqual([
    "$10.87",
    "-$0.017472",
    "$1,234,567.50",
    "$0.00",
    "what",
  ]);
  expect(["1.250000", "-0.500000", "0.000000"].map(gain)).toEqual(["▲ +$1.25", "▼ -$0.50", "$0.00"]);
});
