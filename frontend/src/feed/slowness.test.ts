import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchSlowness } from "./slowness";
import { createStore, type Store } from "./store";

type Tell = (list: { readonly getEntries: () => readonly unknown[] }) => void;

let store: Store;
let tell: Tell;

beforeEach(() => {
  vi.useFakeTimers();
  store = createStore((flush) => flush());
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function browser(supportedEntryTypes: readonly string[]): void {
  class Observer {
    static readonly supportedEntryTypes = supportedEntryTypes;
    constructor(callback: Tell) {
      tell = callback;
    }
    observe(): void {}
  }
  vi.stubGlobal("PerformanceObserver", Observer);
  watchSlowness(store);
}

function task(duration: number): void {
  tell({ getEntries: () => [{ startTime: performance.now(), duration }] });
}

const longest = () => store.getSnapshot().longestTaskMs;

test("a browser that does not tell leaves it unknown", () => {
  browser([]);

  expect(longest()).toBeNull();
});

test("the longest task of the last minute counts, and is forgotten after it", () => {
  browser(["longtask"]);
  expect(longest()).toBe(0);

  task(204);
  vi.advanceTimersByTime(30_000);
  task(80);
  expect(longest()).toBe(204);

  vi.advanceTimersByTime(36_000);
  expect(longest()).toBe(80);
  vi.advanceTimersByTime(36_000);
  expect(longest()).toBe(0);
});
