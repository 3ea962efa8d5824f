import type { ReactNode } from "react";
import { useConsole, useServerNow } from "../../feed/hooks";
import type { FillReport, OrderReport } from "../../protocol/messages";
import { dollars, duration, MISSING } from "../../ui/format";
import { type Head, Heads } from "../../ui/Heads";
import { Num } from "../../ui/Num";
import { Scroll } from "../../ui/Scroll";
import { Time } from "../../ui/Time";
import { Words } from "../../ui/Words";
import { Account } from "./Account";
import { OffWords } from "./OffWords";
import { orderGlyph } from "./signs";

const ORDER_HEADS: readonly Head[] = [
  { name: "market" },
  { name: "order" },
  { name: "price", className: "number" },
  { name: "filled / of", className: "number" },
  { name: "ahead", className: "number" },
  { name: "age", className: "number" },
  { name: "ends", className: "number" },
  { name: "by" },
];

const FILL_HEADS: readonly Head[] = [
  { name: "filled at" },
  { name: "market" },
  { name: "side" },
  { name: "price", className: "number" },
  { name: "count", className: "number" },
  { name: "fee", className: "number" },
  { name: "by" },
];

/** Working orders first, with age and what is left of their time; then those that are over; then the fills. */
export function Orders(): ReactNode {
  const trading = useConsole((state) => state.model.trading);
  if (trading === null) {
    return (
      <Words connecting="Nothing known yet: the trader has not answered." empty="Nothing known of orders." />
    );
  }
  const { orders, fills, pnl } = trading;
  if (orders.length === 0 && fills.length === 0) {
    return (
      <Account>
        <OffWords
          empty={
            pnl.is_read
              ? "No order of ours rests, and none was sent since the start."
              : "No order of ours is known of."
          }
        />
      </Account>
    );
  }
  const open = orders.filter((order) => order.is_open);
  const over = orders.filter((order) => !order.is_open);
  return (
    <Scroll label="Orders and fills">
      <Account>
        <OrderTable orders={[...open, ...over]} />
      </Account>
      {fills.length > 0 && <FillTable fills={fills} />}
    </Scroll>
  );
}

function OrderTable({ orders }: { readonly orders: readonly OrderReport[] }): ReactNode {
  return (
    <table className="trading" data-testid="orders">
      <Heads of={ORDER_HEADS} />
      <tbody>
        {orders.map((order) => (
          <OrderRow key={order.client_order_id} order={order} />
        ))}
      </tbody>
    </table>
  );
}

function OrderRow({ order }: { readonly order: OrderReport }): ReactNode {
  const nowMs = useServerNow();
  const { ticker, side, price, filled, count, ahead, state, in_flight, created, expires, strategy, why } =
    order;
  return (
    <tr
      data-testid="order"
      data-order={order.client_order_id}
      data-state={state}
      data-side={side}
      data-open={order.is_open}
      title={`${order.client_order_id}${why === null ? "" : `: ${why}`}`}
    >
      <th scope="row">{ticker}</th>
      <td className="fact">
        <span aria-hidden="true">{orderGlyph(state)}</span> {side} {state}
        {in_flight !== null && <span className="reason"> {in_flight}</span>}
        {why !== null && <span className="reason"> {why}</span>}
      </td>
      <td className={`number ${side}`}>
        <Num value={price} />
      </td>
      <td className="number">
        <Num value={`${filled} / ${count}`} />
      </td>
      <td className="number">
        <Num value={ahead} />
      </td>
      <td className="number">
        <Num value={order.is_open ? duration(nowMs - Date.parse(created)) : null} />
      </td>
      <td className="number">
        <Num
          value={order.is_open && expires !== null ? `in ${duration(Date.parse(expires) - nowMs)}` : null}
        />
      </td>
      <td>{strategy}</td>
    </tr>
  );
}

function FillTable({ fills }: { readonly fills: readonly FillReport[] }): ReactNode {
  return (
    <table className="trading" data-testid="fills">
      <Heads of={FILL_HEADS} />
      <tbody>
        {fills.map(({ trade_id, timestamp, ticker, side, role, price, count, fee, strategy }) => (
          <tr key={trade_id} data-testid="fill" data-side={side}>
            <td>
              <Time at={timestamp} />
            </td>
            <th scope="row">{ticker}</th>
            <td>
              {side}, {role}
            </td>
            <td className={`number ${side}`}>
              <Num value={price} />
            </td>
            <td className="number">
              <Num value={count} />
            </td>
            <td className="number">
              <Num value={dollars(fee)} />
            </td>
            <td>{strategy ?? MISSING}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
