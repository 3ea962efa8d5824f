import { act, cleanup, fireEvent, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Store } from "../../feed/store";
import { AT, consoleLine, line, transition } from "../../testing/messages";
import { receive, renderConnecting, renderLive } from "../../testing/panel";
import { Terminal } from "./Terminal";

let copied: string[];

beforeEach(() => {
  copied = [];
  vi.stubGlobal("navigator", {
    ...navigator,
    clipboard: { writeText: (text: string) => Promise.resolve(copied.push(text)) },
  });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const rows = () => screen.queryAllByTestId("terminal-row");
const words = () => rows().map((row) => row.textContent);
const press = (key: string) => fireEvent.keyDown(document.body, { key });
const chosen = () => document.querySelector('[data-testid="terminal-row"][data-chosen="true"]')?.textContent;

function said(store: Store, ...messages: readonly string[]): void {
  const { seq } = store.getSnapshot().model;
  receive(store, ...messages.map((message, index) => consoleLine(seq + 1 + index, message)));
}

test("before the trader answers it says what will come", () => {
  renderConnecting(<Terminal />);

  expect(screen.getByText(/begin with the first answer/)).toBeTruthy();
});

test("a change of state looks as in the original's terminal, its reason indented below", () => {
  const store = renderLive(<Terminal />, { log: [], transitions: [] });
  const data = transition("startup", "initializing", AT, 11);
  receive(store, { type: "state_transition", seq: 11, timestamp: AT, data });

  const [row] = rows();
  expect(row?.textContent).toBe("[10:30:00] STATE TRANSITION: startup → initializing#11");
  expect(row?.nextElementSibling?.textContent).toBe("because of initializing");
});

test("level, source, kind and text each narrow what is shown, and the count says so", () => {
  const log = [
    line("one"),
    line("two", { level: "error", source: "feed" }),
    line("three", { source: "feed" }),
  ];
  const store = renderLive(<Terminal />, { log, transitions: [transition("startup", "ready")] });
  const shown = (view: Parameters<Store["setView"]>[0]) => {
    act(() => store.setView(view));
    return rows().length;
  };

  expect(rows().length).toBe(4);
  expect(shown({ source: "feed" })).toBe(2);
  expect(shown({ level: "error" })).toBe(1);
  expect(screen.getByTestId("shown-count").textContent).toBe("1/4");
  expect(shown({ source: null, level: "debug", kind: "transition" })).toBe(1);
  expect(shown({ kind: null, text: "THREE" })).toBe(1);
  expect(shown({ text: "nobody said this" })).toBe(0);
  expect(screen.getByText("No event matches the filter.")).toBeTruthy();
});

test("held, no row moves while intake counts up, and no width does", () => {
  const store = renderLive(<Terminal />);
  const before = words();
  press(" ");
  said(store, "one", "two");

  expect(words()).toEqual(before);
  expect(screen.getByTestId("pause").textContent).toBe("▶ resume (+2)");

  press(" ");
  expect(words().length).toBe(before.length + 2);
});

test("twenty thousand lines keep few rows in the document", () => {
  const store = renderLive(<Terminal />);
  said(store, ...Array.from({ length: 20_000 }, (_, index) => `line ${index}`));

  expect(rows().length).toBeLessThan(80);
  expect(screen.getByText("line 19999")).toBeTruthy();
});

test("k and j go from row to row, Enter expands to JSON, c copies the line, m marks it", () => {
  const store = renderLive(<Terminal />, { log: [], transitions: [] });
  said(store, "one", "two");
  press("k");
  expect(chosen()).toContain("two");
  press("k");
  expect(chosen()).toContain("one");
  press("j");
  expect(chosen()).toContain("two");

  press("Enter");
  expect(screen.getByTestId("details").textContent).toContain('"message": "two"');
  press("Enter");
  expect(screen.queryByTestId("details")).toBeNull();

  press("c");
  expect(copied).toEqual([`${AT} #12 INFO event_bus two`]);
  press("m");
  expect(chosen()).toContain("★");
  press("m");
  expect(chosen()).not.toContain("★");
});

test("a click opens an event, and from there the console goes to that moment", () => {
  const store = renderLive(<Terminal />, { log: [], transitions: [] });
  said(store, "one");
  fireEvent.click(screen.getByText("one"));
  fireEvent.click(screen.getByText("⟲ as of then"));

  expect(store.getSnapshot().view.at).toBe(11);
});

test("Shift+C copies what the filter shows, and only that", () => {
  const store = renderLive(<Terminal />, { log: [], transitions: [] });
  said(store, "one", "two");
  act(() => store.setView({ text: "two" }));
  press("C");

  expect(copied).toEqual([`${AT} #12 INFO event_bus two`]);
});

test("what trading would show is said to be off, not shown as empty", () => {
  renderLive(<Terminal />);
  press("2");

  expect(screen.getByTestId("tab-orders").getAttribute("aria-selected")).toBe("true");
  expect(screen.getByText(/Trading is off: V3_ENABLE_TRADING is false/)).toBeTruthy();
  expect(rows().length).toBe(0);
});

test("the risk tab says what is allowed, who said so and why", () => {
  const risk = { mode: "halted", since: AT, by: "console", reason: "too hot", resting_orders: 0 } as const;
  renderLive(<Terminal />, { risk });
  press("5");

  const panel = screen.getByTestId("risk");
  expect(panel.dataset.mode).toBe("halted");
  expect(panel.textContent).toContain("■ halted");
  expect(panel.textContent).toContain("console");
  expect(panel.textContent).toContain("too hot");
});
