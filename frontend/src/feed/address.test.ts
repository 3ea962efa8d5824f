import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { keepAddress } from "./address";
import { createStore } from "./store";

beforeEach(() => {
  vi.useFakeTimers();
  history.replaceState(null, "", "/v3-trader");
});
afterEach(() => vi.useRealTimers());

test("the address follows the view, once it is settled", () => {
  const store = createStore((flush) => flush());
  const replace = vi.spyOn(history, "replaceState");
  keepAddress(store, window);
  for (const text of ["g", "ga", "gap"]) store.setView({ text });
  vi.runAllTimers();

  expect(location.search).toBe("?q=gap");
  expect(replace).toHaveBeenCalledTimes(1);

  store.setView({ text: "" });
  vi.runAllTimers();
  expect(location.search).toBe("");
});

test("messages do not touch the address", () => {
  const store = createStore((flush) => flush());
  const replace = vi.spyOn(history, "replaceState");
  keepAddress(store, window);
  store.push([], 1);
  vi.runAllTimers();

  expect(replace).not.toHaveBeenCalled();
});
