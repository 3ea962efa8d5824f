import { expect, test } from "vitest";
import { fill, order, position, TRADING } from "../testing/messages";
import { FILLS_MAX, ORDERS_MAX, withFill, withOrder, withPart } from "./trading";

test("an order that changes stays where it is; a new one comes first", () => {
  const first = withOrder(withOrder(TRADING, order()), order({ client_order_id: "b" }));
  const changed = withOrder(first, order({ state: "filled", is_open: false }));

  expect(changed?.orders.map((each) => [each.client_order_id, each.state])).toEqual([
    ["b", "resting"],
    ["abcd0123-7", "filled"],
  ]);
});

test("of many orders those that are over are forgotten, the oldest first; open ones never", () => {
  let trading: typeof TRADING | null = withOrder(TRADING, order({ client_order_id: "open" }));
  for (let at = 0; at < ORDERS_MAX + 5; at += 1) {
    trading = withOrder(trading, order({ client_order_id: `over ${at}`, is_open: false, state: "filled" }));
  }

  expect(trading?.orders.length).toBe(ORDERS_MAX);
  expect(trading?.orders.at(-1)?.client_order_id).toBe("open");
  expect(trading?.orders[0]?.client_order_id).toBe(`over ${ORDERS_MAX + 4}`);
});

test("fills are kept newest first, up to a bound", () => {
  let trading: typeof TRADING | null = TRADING;
  for (let at = 0; at <= FILLS_MAX; at += 1) trading = withFill(trading, fill({ trade_id: `t${at}` }));

  expect(trading?.fills.length).toBe(FILLS_MAX);
  expect(trading?.fills[0]?.trade_id).toBe(`t${FILLS_MAX}`);
});

test("a position is replaced by its market, every other part as a whole", () => {
  const held = withPart(TRADING, { type: "position", seq: 1, timestamp: "", data: position() });
  const more = withPart(held, {
    type: "position",
    seq: 1,
    timestamp: "",
    data: position({ position: "2.00" }),
  });
  const differing = withPart(more, { type: "recon", seq: 1, timestamp: "", data: { differences: [] } });

  expect(differing?.positions?.map((each) => each.position)).toEqual(["2.00"]);
});

test("before the first picture there is nothing to bring up to date", () => {
  expect(withOrder(null, order())).toBeNull();
  expect(withFill(null, fill())).toBeNull();
});
