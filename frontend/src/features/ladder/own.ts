/** Our own orders by the rung on which they rest, in words for a hover. */
import type { OrderReport } from "../../protocol/messages";
import { type Ticks, ticksOf } from "./prices";

export function ownOrders(orders: readonly OrderReport[], ticker: string): ReadonlyMap<Ticks, string> {
  const own = new Map<Ticks, string>();
  for (const order of orders) {
    const price = ticksOf(order.price);
    if (!order.is_open || order.ticker !== ticker || price === null) continue;
    const ahead = order.ahead === null ? "" : `, ${order.ahead} ahead`;
    const words = `own ${order.side} ${order.remaining} ${order.state}${ahead}`;
    const before = own.get(price);
    own.set(price, before === undefined ? words : `${before}; ${words}`);
  }
  return own;
}
