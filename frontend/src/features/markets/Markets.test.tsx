import { act, cleanup, fireEvent, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { MarketTop } from "../../protocol/messages";
import { AT, market } from "../../testing/messages";
import { renderConnecting, renderLive } from "../../testing/panel";
import { Markets } from "./Markets";

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse(AT) });
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

const rows = () => screen.queryAllByTestId("market");
const tickers = () => rows().map(({ dataset }) => dataset.ticker);
const show = (...tops: readonly MarketTop[]) => renderLive(<Markets />, { market_tops: [...tops] });
const press = (key: string) => fireEvent.keyDown(document.body, { key });

test("before the trader answers, and when it follows none, it says so", () => {
  renderConnecting(<Markets />);
  expect(screen.getByText(/first answer/)).toBeTruthy();

  cleanup();
  show();
  expect(screen.getByText("No markets are subscribed.")).toBeTruthy();
});

test("a book without an ask shows that it is missing, never 0; a quiet one is not stale", () => {
  show(market({ yes_ask: null }));
  act(() => vi.advanceTimersByTime(12_000));

  const [row] = rows();
  expect([...(row?.children ?? [])].slice(1).map((cell) => cell.textContent)).toEqual([
    "○ quiet",
    "120.00",
    "0.4500",
    "-",
    "-",
    "1,523",
    "12 s",
  ]);
  expect(row?.dataset).toMatchObject({ bookState: "live", age: "quiet" });
});

test("a stale book says so, and why", () => {
  show(market({ book_state: "stale", stale_reason: "sequence gap" }));

  expect(rows()[0]?.dataset.bookState).toBe("stale");
  expect(rows()[0]?.textContent).toContain("sequence gap");
  expect(rows()[0]?.textContent).toContain("┄ stale");
});

test("a closed market is marked with the venue's word and counted apart", () => {
  show(market({ book_state: "stale", stale_reason: "the market is closed", market_status: "closed" }));

  expect(rows()[0]?.textContent).toContain("■ closed");
  expect(screen.getByText("0 live, 1 closed")).toBeTruthy();
});

test("a head sorts by its column, once more the other way round, and says which", () => {
  show(market({ ticker: "A", updates: 2 }), market({ ticker: "B", updates: 1 }));
  const head = () => screen.getByRole("columnheader", { name: /updates/ });
  expect(head().getAttribute("aria-sort")).toBe("none");

  fireEvent.click(screen.getByRole("button", { name: /updates/ }));
  expect(head().getAttribute("aria-sort")).toBe("ascending");
  expect(tickers()).toEqual(["B", "A"]);

  fireEvent.click(screen.getByRole("button", { name: /updates/ }));
  expect(head().getAttribute("aria-sort")).toBe("descending");
  expect(tickers()).toEqual(["A", "B"]);
});

test("a click chooses; the point and the comma go on from there, and not beyond the ends", () => {
  const store = show(market({ ticker: "A" }), market({ ticker: "B" }), market({ ticker: "C" }));
  const chosen = () => rows().find(({ dataset }) => dataset.chosen === "true")?.dataset.ticker;
  expect(chosen()).toBe("A");

  fireEvent.click(screen.getByRole("button", { name: "B" }));
  expect(store.getSnapshot().view.market).toBe("B");

  press(".");
  press(".");
  expect(chosen()).toBe("C");

  press(",");
  expect(chosen()).toBe("B");
});

test("the filter narrows, and thousands keep few rows in the document", () => {
  show(...Array.from({ length: 5_000 }, (_, index) => market({ ticker: `KX-${index}` })));
  expect(rows().length).toBeLessThan(80);
  expect(screen.getByRole("table").getAttribute("aria-rowcount")).toBe("5001");

  fireEvent.change(screen.getByRole("searchbox"), { target: { value: "kx-4999" } });
  expect(tickers()).toEqual(["KX-4999"]);
});
