import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { StoreContext } from "../feed/hooks";
import type { LinkStatus } from "../feed/link";
import { createStore, type Store } from "../feed/store";
import type { Message } from "../protocol/messages";
import { AT, connection, consoleLine, METRICS, market, snapshot, transition } from "../testing/messages";
import { App } from "./App";

let store: Store;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse(AT) });
  store = createStore((flush) => flush());
  render(
    <StoreContext value={store}>
      <App />
    </StoreContext>,
  );
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

function receive(...messages: readonly Message[]): void {
  act(() => store.push(messages));
}

function setLink(status: LinkStatus, retryAtMs: number | null = null): void {
  const heardAtMs = status === "connecting" ? null : Date.parse(AT);
  act(() => store.setLink({ status, sinceMs: Date.parse(AT), heardAtMs, retryAtMs, skewMs: 0 }));
}

function goLive(change: Parameters<typeof snapshot>[0] = {}): void {
  receive(connection(), snapshot(change));
  setLink("live");
}

const wall = () => document.querySelector(".console");

test("before the trader starts it says that it waits, and shows no number", () => {
  expect(screen.getByTestId("link").dataset.link).toBe("connecting");
  expect(screen.getByTestId("state").textContent).toBe("-");
  expect(screen.getByTestId("market-count").textContent).toBe("-");
  expect(screen.getByTestId("why").textContent).toContain("connects by itself");
  expect(document.title).toBe("◌ connecting · TRADER V3");
});

test("live, the header says all that matters", () => {
  goLive();

  expect(screen.getByTestId("environment").textContent).toBe("SIM");
  expect(screen.getByTestId("link").dataset.link).toBe("live");
  expect(screen.getByTestId("state").textContent).toBe("ready");
  expect(screen.getByTestId("health").textContent).toBe("healthy");
  expect(screen.getByTestId("market-count").textContent).toBe("2");
  expect(screen.getByTestId("delta-count").textContent).toBe("48,704");
  expect(screen.getByTestId("uptime").textContent).toBe("1 m 00 s");
  expect(document.title).toBe("● ready · SIM");
  expect(wall()?.getAttribute("data-live")).toBe("true");
});

test.each(["silent", "down"] as const)("%s, nothing looks live and everything has an age", (status) => {
  goLive();
  setLink(status, status === "down" ? Date.parse(AT) + 9_000 : null);
  act(() => vi.advanceTimersByTime(7_000));

  expect(wall()?.getAttribute("data-live")).toBe("false");
  expect(screen.getByTestId("state").className).toContain("fact");
  expect(screen.getAllByText("as of 7 s ago").length).toBe(7);
  expect(screen.getByTestId("why").textContent).toContain("what it last said");
  expect(screen.queryByText(/Trying again in 2 s/) !== null).toBe(status === "down");
  expect(document.title).toContain(status);
});

test("degraded health says why in the header, and an alert is told once among the alarms", () => {
  const reasons = [{ component: "connector", since: AT, message: "3 books are stale" }];
  goLive({ health: "degraded", reasons });

  const alert = { id: "a", component: "connector", message: "3 books are stale", since: AT, is_active: true };
  receive({ type: "alert", seq: 11, timestamp: AT, data: { ...alert, level: "warning" } });

  expect(screen.getByTestId("why").textContent).toContain("connector: 3 books are stale");
  expect(screen.getByTestId("alert").textContent).toContain("3 books are stale");
});

test("the machine shows where it is and the history how it got there", () => {
  goLive();
  const later = "2026-11-22T10:30:03.100Z";
  receive({ type: "state_transition", seq: 11, timestamp: later, data: transition("ready", "error", later) });

  const active = screen.getByTestId("state-machine").querySelector('[data-active="true"]');
  expect(active?.getAttribute("data-state")).toBe("error");
  expect(screen.getByTestId("state").textContent).toBe("error");
  const [newest, older] = screen.getAllByTestId("transition-row");
  expect(newest?.textContent).toBe("10:30:03.100ready → errorbecause of error · after 3.1 s");
  expect(older?.textContent).toContain("initializing → ready");
});

test("a stale book says so, and why", () => {
  goLive();
  const data = market({ book_state: "stale", stale_reason: "sequence gap" });
  receive({ type: "market", seq: 10, timestamp: AT, data });

  const row = screen.getByTestId("market");
  expect(row.dataset).toMatchObject({ ticker: data.ticker, bookState: "stale" });
  expect(row.textContent).toContain("stale");
  expect(row.textContent).toContain("sequence gap");
});

test("the last book of a closed market is marked as over and counted apart", () => {
  goLive();
  const data = market({
    book_state: "stale",
    stale_reason: "the market is closed",
    market_status: "closed",
  });
  receive({ type: "market", seq: 10, timestamp: AT, data });

  const row = screen.getByTestId("market");
  expect(row.dataset).toMatchObject({ ticker: data.ticker, bookState: "stale" });
  expect(row.textContent).toContain("■ closed");
  expect(screen.getByText("0 live, 1 closed")).toBeTruthy();
  expect(screen.getByText("of 0")).toBeTruthy();
});

test("a book without an ask shows that it is missing, never 0; a quiet one is not stale", () => {
  goLive();
  act(() => vi.advanceTimersByTime(12_000));

  const row = screen.getByTestId("market");
  expect([...row.children].slice(1).map((cell) => cell.textContent)).toEqual([
    "○ quiet",
    "120.00",
    "0.4500",
    "0.4900",
    "-",
    "1,523",
    "12 s",
  ]);
  expect(row.dataset.bookState).toBe("live");
});

test("an actor that fails shows its restarts and its error", () => {
  goLive();
  const data = {
    name: "broadcaster",
    status: "backoff",
    restarts: 2,
    last_error: "boom",
    timestamp: AT,
  } as const;
  receive({ type: "actor", seq: 11, timestamp: AT, data });

  const row = screen.getAllByTestId("actor").find(({ dataset }) => dataset.actor === "broadcaster");
  expect(row?.dataset.status).toBe("backoff");
  expect(row?.textContent).toBe("broadcasterboom↻ backoff23/1,0001");
});

test("a metric that is null is a dash", () => {
  goLive({ metrics: { ...METRICS, first_snapshot_received: null } });

  expect(document.querySelector('[data-metric="first_snapshot_received"] dd')?.textContent).toBe("-");
  expect(document.querySelector('[data-metric="messages_per_second"] dd')?.textContent).toBe("312.4 /s");
});

test("Space holds the terminal still while intake counts up", () => {
  goLive();
  const words = () => screen.getAllByTestId("terminal-row").map((row) => row.textContent);
  const before = words();
  fireEvent.keyDown(document.body, { key: " " });
  receive(consoleLine(11, "one"), consoleLine(12, "two"));

  expect(words()).toEqual(before);
  expect(screen.getByTestId("pause").textContent).toBe("▶ resume (+2)");

  fireEvent.keyDown(document.body, { key: " " });
  expect(words().length).toBe(before.length + 2);
});

test("a slash goes to the filter, where it is an ordinary letter; Escape leaves it", () => {
  goLive();
  fireEvent.keyDown(document.body, { key: "/" });
  const filter = screen.getByTestId("filter");
  expect(document.activeElement).toBe(filter);

  fireEvent.change(filter, { target: { value: "BUS" } });
  expect(screen.getAllByTestId("terminal-row").length).toBe(1);

  fireEvent.keyDown(filter, { key: " " });
  expect(screen.getByTestId("pause").textContent).toContain("pause");

  fireEvent.keyDown(filter, { key: "Escape" });
  expect(screen.getAllByTestId("terminal-row").length).toBe(2);
});

test("a long log keeps few rows in the document", () => {
  goLive();
  receive(...Array.from({ length: 5_000 }, (_, index) => consoleLine(11 + index, `line ${index}`)));

  expect(screen.getAllByTestId("terminal-row").length).toBeLessThan(80);
  expect(screen.getByText("line 4999")).toBeTruthy();
});

test("markup in a log line is text", () => {
  goLive();
  receive(consoleLine(11, "<img src=x onerror=alert(1)>"));

  expect(screen.getByText("<img src=x onerror=alert(1)>")).toBeTruthy();
  expect(document.querySelector("img")).toBeNull();
});

test("link and state are announced, once things are quiet for two seconds", () => {
  goLive();
  expect(screen.getByRole("status").textContent).toBe("");

  act(() => vi.advanceTimersByTime(2_000));
  expect(screen.getByRole("status").textContent).toBe("Link live, state ready");
});
