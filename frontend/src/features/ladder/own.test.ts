import { expect, test } from "vitest";
import { order } from "../../testing/messages";
import { ownOrders } from "./own";

test("open orders of this market stand on their rungs, those of one rung together", () => {
  const own = ownOrders(
    [
      order(),
      order({ client_order_id: "b", side: "ask", ahead: null }),
      order({ client_order_id: "c", is_open: false }),
      order({ client_order_id: "d", ticker: "KX-OTHER" }),
    ],
    "KXDEMO-26DEC31-T100",
  );

  expect([...own]).toEqual([[4_500, "own bid 8.50 resting, 118.50 ahead; own ask 8.50 resting"]]);
});
