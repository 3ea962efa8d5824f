import { cleanup, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import type { Trading } from "../../protocol/messages";
import { AT, fill, order, position, TRADING } from "../../testing/messages";
import { receive, renderConnecting, renderLive } from "../../testing/panel";
import { Decisions } from "./Decisions";
import { Limits } from "./Limits";
import { Orders } from "./Orders";
import { Positions } from "./Positions";

afterEach(cleanup);

const on = (change: Partial<Trading>): { trading: Trading } => ({
  trading: { ...TRADING, decision: { ...TRADING.decision, stage: "acting", why: null }, ...change },
});

test("before the trader answers nothing is claimed of orders, positions or decisions", () => {
  renderConnecting(
    <>
      <Orders />
      <Positions />
      <Decisions />
    </>,
  );
  expect(screen.getAllByText(/has not answered/).length).toBe(3);
});

test("a trader that does not trade says so, and why", () => {
  renderLive(<Orders />);
  expect(screen.getByText("Trading is off: V3_ENABLE_TRADING is false.")).toBeTruthy();
});

test("working orders stand before those that are over, with price, what is filled and what is ahead", () => {
  const over = order({
    client_order_id: "over",
    state: "rejected",
    is_open: false,
    why: "insufficient_balance",
  });
  renderLive(<Orders />, on({ orders: [over, order({ in_flight: "cancelling" })] }));
  const rows = screen.getAllByTestId("order");

  expect(rows.map(({ dataset }) => dataset.state)).toEqual(["resting", "rejected"]);
  expect(rows[0]?.textContent).toContain("bid resting cancelling0.45001.50 / 10.00118.50");
  expect(rows[1]?.textContent).toContain("insufficient_balance");
});

test("an order and a fill that come are there at once", () => {
  const store = renderLive(<Orders />, on({ orders: [] }));
  receive(
    store,
    { type: "order", seq: 11, timestamp: AT, data: order() },
    { type: "fill", seq: 12, timestamp: AT, data: fill() },
  );

  expect(screen.getByTestId("order").dataset.order).toBe("abcd0123-7");
  expect(screen.getByTestId("fill").textContent).toContain("$0.017472");
  expect([...store.getSnapshot().model.lines.since(undefined)].at(-1)?.message).toBe(
    "fill: bid 1.50 KXDEMO-26DEC31-T100 at 0.4500 as maker, fee 0.017472",
  );
});

test("a position shows the trader's numbers as they are, - for what is not known, and the venue's where it differs", () => {
  const differences = [
    { what: "position", key: "KX", ours: "-1.50", venue: "2.00", since: AT, is_settled: false },
  ];
  renderLive(
    <Positions />,
    on({ positions: [position({ venue_position: "2.00" })], recon: { differences } }),
  );

  expect(screen.getByTestId("position").textContent).toContain(
    "-1.50 ≠ 2.00 at Kalshi0.5500 NO▲ +$1.25-$0.017472",
  );
  expect(screen.getByTestId("difference").textContent).toContain("nothing is traded until both agree");
  expect(screen.getByTestId("balance").textContent).toBe("-");
});

test("before the account is read nothing is claimed to be held, to rest or to have been earned", () => {
  const unread = { realized: null, unrealized: null, fees: null, worst_case: null, resting: null };
  const pnl = { ...TRADING.pnl, ...unread, is_read: false, stale_reason: "the account is not heard: cut" };
  renderLive(
    <>
      <Orders />
      <Positions />
    </>,
    on({ pnl, positions: null }),
  );

  expect(screen.getByText("No order of ours is known of.")).toBeTruthy();
  expect(screen.getByText("What is held is not known.")).toBeTruthy();
  expect(screen.getByTestId("pnl").textContent).not.toContain("0");
  expect(screen.getAllByTestId("doubt")[0]?.textContent).toBe(
    "? account not read yet: the account is not heard: cut",
  );
});

test("an account that is not heard is marked with its age and the reason, wherever it is shown", () => {
  const stale = { stale_reason: "the account is not heard: cut", stale_since: AT };
  const store = renderLive(
    <>
      <Orders />
      <Positions />
    </>,
    on({ orders: [order()], positions: [position()] }),
  );

  expect(screen.getAllByTestId("account").map(({ dataset }) => dataset.stale)).toEqual(["false", "false"]);

  receive(store, { type: "pnl", seq: 11, timestamp: AT, data: { ...TRADING.pnl, ...stale } });

  expect(screen.getAllByTestId("account").map(({ dataset }) => dataset.stale)).toEqual(["true", "true"]);
  expect(screen.getAllByTestId("doubt")[0]?.textContent).toMatch(
    /^\? account stale for \d.*, what stands here is the last word: the account is not heard: cut$/,
  );
});

test("a refusal names its rule, who refused and how often", () => {
  const refusals = [
    {
      rule: "RISK_MAX_ORDER_SIZE",
      why: "50.00 contracts, at most 10.00",
      ticker: "KX",
      strategy: "spread_maker",
      by: "risk" as const,
      times: 3,
      timestamp: AT,
    },
  ];
  renderLive(<Decisions />, on({ decision: { ...TRADING.decision, stage: "clean", why: null, refusals } }));

  expect(screen.getByTestId("refusal").textContent).toContain(
    "RISK_MAX_ORDER_SIZE ×3 KX (spread_maker, by our risk)",
  );
});

test("a limit shows what is used of it, and that it is near", () => {
  const limits = [
    { rule: "RISK_OPEN_ORDERS", scope: "all", used: "9", limit: "10", unit: "orders", share: 0.9 },
    { rule: "RISK_NOTIONAL", scope: "KX", used: "1.00", limit: "100.00", unit: "USD", share: 0.01 },
  ];
  renderLive(<Limits />, on({ limits: { limits } }));
  const [near, far] = screen.getAllByTestId("limit");

  expect(near?.textContent).toContain("9 / 10 orders");
  expect(near?.dataset.near).toBe("true");
  expect(far?.dataset.near).toBe("false");
});
