/** What trading shows, brought up to one message. Pure; what is not known yet stays null. */
import type { FillReport, Message, OrderReport, PositionReport, Trading } from "../protocol/messages";

export const ORDERS_MAX = 200;
export const FILLS_MAX = 100;

/** An order where it was, or in front of all if it is new: the newest is read first. */
export function withOrder(trading: Trading | null, order: OrderReport): Trading | null {
  if (trading === null) return null;
  const isKnown = trading.orders.some((held) => held.client_order_id === order.client_order_id);
  const orders = isKnown
    ? trading.orders.map((held) => (held.client_order_id === order.client_order_id ? order : held))
    : keepOpen([order, ...trading.orders]);
  return { ...trading, orders };
}

export function withFill(trading: Trading | null, fill: FillReport): Trading | null {
  return trading && { ...trading, fills: [fill, ...trading.fills].slice(0, FILLS_MAX) };
}

type Part = Extract<Message, { type: "position" | "pnl" | "limits" | "decision" | "recon" }>;

/** One part of it in place of what it was; a position by its market. */
export function withPart(trading: Trading | null, part: Part): Trading | null {
  if (trading === null) return null;
  if (part.type === "position") return withPosition(trading, part.data);
  return { ...trading, [part.type]: part.data };
}

function withPosition(trading: Trading, position: PositionReport): Trading {
  const positions = trading.positions ?? [];
  const isKnown = positions.some((held) => held.ticker === position.ticker);
  return {
    ...trading,
    positions: isKnown
      ? positions.map((held) => (held.ticker === position.ticker ? position : held))
      : [...positions, position],
  };
}

/** Whether orders, positions and sums may be others by now; what does not trade has none. */
export function isStale({ pnl, decision }: Trading): boolean {
  return decision.stage !== "off" && pnl.stale_reason !== null;
}

/** Open orders are never forgotten; of those that are over, the oldest go. */
function keepOpen(orders: readonly OrderReport[]): OrderReport[] {
  const room = ORDERS_MAX - orders.filter((order) => order.is_open).length;
  let over = 0;
  return orders.filter((order) => order.is_open || ++over <= room);
}
