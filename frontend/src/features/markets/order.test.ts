import { expect, test } from "vitest";
import { AT, market } from "../../testing/messages";
import { standingOf } from "./age";
import { type Column, createOrder, type Markets } from "./order";

const MARKETS: Markets = new Map(
  [
    market({ ticker: "A", yes_bid: "0.5000", yes_bid_size: "9.00", updates: 9, book_state: "live" }),
    market({ ticker: "B", yes_bid: null, yes_bid_size: null, updates: 100, book_state: "stale" }),
    market({ ticker: "C", yes_bid: "0.0900", yes_bid_size: "100.00", updates: 20, book_state: "syncing" }),
  ].map((top) => [top.ticker, top]),
);
const QUESTION = { text: "", column: "ticker", isDescending: false, nowMs: 0 } as const;

test.each<[Column, boolean, string]>([
  ["ticker", false, "ABC"],
  ["ticker", true, "CBA"],
  ["yes_bid", false, "CAB"],
  ["yes_bid", true, "ACB"],
  ["yes_bid_size", false, "ACB"],
  ["updates", true, "BCA"],
  ["book", false, "BCA"],
  ["last_update", false, "ABC"],
])("by %s, descending %s: %s; what is missing is last", (column, isDescending, order) => {
  expect(createOrder()(MARKETS, { ...QUESTION, column, isDescending }).join("")).toBe(order);
});

test("the filter knows no case", () => {
  expect(createOrder()(MARKETS, { ...QUESTION, text: "b" })).toEqual(["B"]);
});

test("prices move, rows do not, until the next second or another question", () => {
  const orderOf = createOrder();
  const question = { ...QUESTION, column: "updates" } as const;
  const order = orderOf(MARKETS, question);
  const moved = new Map(MARKETS).set("A", market({ ticker: "A", updates: 1_000 }));

  expect(orderOf(moved, question)).toBe(order);
  expect(orderOf(moved, { ...question, nowMs: 1 }).join("")).toBe("CBA");
  expect(orderOf(new Map([...moved].slice(1)), { ...question, nowMs: 1 }).join("")).toBe("CB");
});

test.each([
  [{}, 4_000, "fresh", null],
  [{}, 12_000, "quiet", "12 s"],
  [{ book_state: "stale" }, 12_000, "stale", "12 s"],
  [{ book_state: "syncing", last_update: null }, 0, "syncing", null],
  [{ book_state: "stale", market_status: "closed" }, 12_000, "closed", "12 s"],
] as const)("%o after %i ms is %s", (change, ageMs, word, since) => {
  expect(standingOf(market(change), Date.parse(AT) + ageMs)).toMatchObject({ word, since });
});
