import { expect, test } from "vitest";
import { STATES } from "../../testing/messages";
import { layOut, nameLines } from "./layout";

test("every state is a station, in the order given, and every edge is drawn", () => {
  const { stations, edges } = layOut(STATES);

  expect(stations.map(({ name }) => name)).toEqual(Object.keys(STATES));
  expect(edges.map(({ from, to }) => `${from} ${to}`)).toEqual(
    Object.entries(STATES).flatMap(([from, exits]) => exits.map((to) => `${from} ${to}`)),
  );
});

test("what everything may fall into stands apart", () => {
  const { stations, laneY } = layOut(STATES);
  const [, , ready, error] = stations;

  expect(laneY).toBeGreaterThan(ready?.y ?? 0);
  expect(laneY).toBeLessThan(error?.y ?? 0);
});

test("an exit to a state that is not declared is left out", () => {
  expect(layOut({ a: ["b", "nowhere"], b: ["a"] }).edges.length).toBe(2);
});

test("no states, no picture", () => {
  expect(layOut({})).toEqual({ stations: [], edges: [], height: 0, laneY: null });
});

test("a name that is too long stands whole on two lines", () => {
  expect(nameLines("ready")).toEqual(["ready"]);
  expect(nameLines("kalshi_connectivity_orderbook_client")).toEqual([
    "kalshi_connectivity_",
    "orderbook_client",
  ]);
  expect(nameLines("averyveryverylongnamewithoutaword").join("")).toBe("averyveryverylongnamewithoutaword");
});
