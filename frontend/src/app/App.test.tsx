import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createCommander } from "../feed/commands";
import { CommanderContext, StoreContext } from "../feed/hooks";
import type { LinkStatus } from "../feed/link";
import { createStore, type Store } from "../feed/store";
import type { Message } from "../protocol/messages";
import {
  AT,
  alert,
  connection,
  consoleLine,
  METRICS,
  market,
  RISK,
  snapshot,
  transition,
} from "../testing/messages";
import { KEYS, keyName } from "../ui/keys";
import { App } from "./App";

let store: Store;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse(AT) });
  store = createStore((flush) => flush());
  render(
    <StoreContext value={store}>
      <CommanderContext value={createCommander(store, { send: () => true }, "secret")}>
        <App />
      </CommanderContext>
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
  expect(screen.getAllByText("as of 7 s ago").length).toBeGreaterThanOrEqual(8);
  expect(screen.getByTestId("why").textContent).toContain("what it last said");
  expect(screen.queryByText(/Trying again in 2 s/) !== null).toBe(status === "down");
  expect(document.title).toContain(status);
});

test("degraded health says why in the header, and an alert is told once among the alarms", () => {
  const reasons = [{ component: "connector", since: AT, message: "3 books are stale" }];
  goLive({ health: "degraded", reasons });

  receive({ type: "alert", seq: 11, timestamp: AT, data: alert() });

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
  expect(newest?.textContent).toContain(
    "10:30:03.100ready → errorbecause of error · after 3.1 s2 markets · 312/s",
  );
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
  expect(row?.textContent).toContain("boom");
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

test("the kill opens its dialog by button and by key, and is disabled with the reason while the link is not live", () => {
  const kill = () => screen.getByTestId("kill");
  expect(kill().title).toBe("the link is connecting");
  fireEvent.keyDown(document.body, { key: "K" });
  expect(store.getSnapshot().asked).toBeNull();

  goLive();
  fireEvent.keyDown(document.body, { key: "K" });
  expect(screen.getByTestId("kill-word")).toBeTruthy();

  act(() => store.ask(null));
  fireEvent.click(kill());
  expect(screen.getByTestId("kill-confirm").hasAttribute("disabled")).toBe(true);
});

test("while a dialog is open no key of the page does anything", () => {
  goLive();
  fireEvent.click(screen.getByTestId("kill"));
  for (const key of [" ", "u", "[", "?"]) fireEvent.keyDown(document.body, { key });

  expect(store.getSnapshot()).toMatchObject({ isPaused: false, view: { tz: "utc", at: null } });
});

test("a halted trader says so, and offers to resume", () => {
  goLive({ risk: { ...RISK, mode: "halted", by: "console c1", reason: "drill" } });

  expect(screen.getByTestId("mode").textContent).toContain("■ halted");
  expect(screen.getByTestId("mode").title).toContain("by console c1");
  expect(screen.getByTestId("resume-trading")).toBeTruthy();
});

test("every key of the table is in the help", () => {
  fireEvent.keyDown(document.body, { key: "?" });
  const help = screen.getByRole("dialog").textContent;

  for (const { keys, what } of KEYS) {
    expect(help).toContain(what);
    for (const key of keys) expect(help).toContain(keyName(key));
  }
});

test("u turns every time to this computer's zone and back", () => {
  goLive();
  fireEvent.keyDown(document.body, { key: "u" });
  expect(screen.getByTestId("clock").textContent).toContain("local");

  fireEvent.keyDown(document.body, { key: "u" });
  expect(screen.getByTestId("clock").textContent).toBe("10:30:00 UTC");
});

test("in the past every panel shows it, the frame says so, and Escape is the way out", () => {
  goLive();
  act(() => store.setView({ at: 4 }));
  expect(screen.getByTestId("link").dataset.link).toBe("past");
  expect(screen.getByTestId("why").textContent).toContain("Asking the trader for event #4");

  const past = snapshot({ reason: "past", state: "error", market_tops: [] }, 4);
  act(() => past.type === "snapshot" && store.showPast(4, past));
  expect(wall()?.getAttribute("data-live")).toBe("past");
  expect(screen.getByTestId("state").textContent).toBe("error");
  expect(screen.queryAllByTestId("market")).toEqual([]);
  expect(document.title).toBe("⟲ past · SIM");

  fireEvent.keyDown(document.body, { key: "Escape" });
  expect(screen.getByTestId("state").textContent).toBe("ready");
});

test("a past that cannot be shown says why, and can be asked for again", () => {
  goLive();
  act(() => store.setView({ at: 1 }));
  act(() => store.failPast(1, "event 1 is no longer kept"));
  expect(screen.getByTestId("why").textContent).toContain(
    "event #1 cannot be shown: event 1 is no longer kept.",
  );

  fireEvent.click(screen.getByTestId("again"));
  expect(store.latest().past.answered).toBeNull();
});
