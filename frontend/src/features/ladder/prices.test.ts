import { expect, test } from "vitest";
import { centsText, complement, gridOf, lotsOf, priceText, sizeText, ticksOf } from "./prices";

test.each([
  ["0.4500", 4_500],
  ["0.4515", 4_515],
  ["1.0000", 10_000],
  ["0.5", 5_000],
  ["0.45000", 4_500],
])("%s dollars are %i ticks", (text, ticks) => {
  expect(ticksOf(text)).toBe(ticks);
});

test.each(["", "-0.4", "0.45001", "45¢", "1e-2", ".5", "NaN"])("%j is no price", (text) => {
  expect(ticksOf(text)).toBeNull();
});

test("every tick reads back as itself, and so does what is left of its dollar", () => {
  for (let ticks = 0; ticks <= 10_000; ticks++) {
    expect(ticksOf(priceText(ticks))).toBe(ticks);
    expect(complement(complement(ticks))).toBe(ticks);
  }
});

test("an ask is a dollar less the bid for NO", () => {
  expect(priceText(complement(ticksOf("0.5100") ?? 0))).toBe("0.4900");
});

test.each([
  [4_500, "45¢"],
  [4_510, "45.1¢"],
  [4_515, "45.15¢"],
  [5, "0.05¢"],
  [100, "1¢"],
])("%i ticks are %s", (ticks, words) => {
  expect(centsText(ticks)).toBe(words);
});

test("sizes are exact to a hundredth", () => {
  expect(lotsOf("120.00")).toBe(12_000);
  expect(lotsOf("0.07")).toBe(7);
  expect(lotsOf("0.075")).toBeNull();
  expect(sizeText(12_007)).toBe("120.07");
});

test("a grid of cents, of tenths, and one that is finer at its ends", () => {
  const cents = gridOf([{ start: "0.0000", end: "1.0000", step: "0.0100" }]);
  const tenths = gridOf([{ start: "0.0000", end: "1.0000", step: "0.0010" }]);
  const tapered = gridOf([
    { start: "0.0000", end: "0.1000", step: "0.0010" },
    { start: "0.1000", end: "0.9000", step: "0.0100" },
    { start: "0.9000", end: "1.0000", step: "0.0010" },
  ]);

  expect([cents.length, cents[0], cents.at(-1)]).toEqual([99, 100, 9_900]);
  expect([tenths.length, tenths[0], tenths.at(-1)]).toEqual([999, 10, 9_990]);
  expect(tapered.length).toBe(99 + 1 + 79 + 1 + 99);
  expect(tapered.every((price, index) => index === 0 || price > (tapered[index - 1] ?? 0))).toBe(true);
});

test("a grid that makes no sense has no rows, and never endless ones", () => {
  expect(gridOf([{ start: "0.0000", end: "1.0000", step: "0.0000" }])).toEqual([]);
  expect(gridOf([{ start: "low", end: "1.0000", step: "0.0100" }])).toEqual([]);
  expect(gridOf([{ start: "0.0000", end: "999999999.0000", step: "1.0000" }])).toEqual([]);
});
