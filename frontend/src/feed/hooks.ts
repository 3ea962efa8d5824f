/** How components read: a slice of the store, or the clock. */
import { createContext, useContext, useSyncExternalStore } from "react";
import { createClock } from "./clock";
import type { ConsoleState, Store } from "./store";

export const StoreContext = createContext<Store | null>(null);

/** A slice of what is known; re-renders when that slice moved, at most once a frame. */
export function useConsole<T>(select: (state: ConsoleState) => T): T {
  const store = useContext(StoreContext);
  if (store === null) throw new Error("useConsole outside of StoreContext");
  return useSyncExternalStore(store.subscribe, () => select(store.getSnapshot()));
}

const clock = createClock();

/** The server's clock in ms, to the second; ticks also while the link is down, so that ages grow. */
export function useServerNow(): number {
  const skewMs = useConsole((state) => state.link.skewMs);
  return useLocalNow() + skewMs;
}

/** This computer's clock in ms, to the second. */
export function useLocalNow(): number {
  return useSyncExternalStore(clock.subscribe, clock.now);
}
