/** How components read: a slice of the store, or the clock. */
import { createContext, useContext, useSyncExternalStore } from "react";
import { createClock } from "./clock";
import type { Commander } from "./commands";
import type { ConsoleState, Store } from "./store";

export const StoreContext = createContext<Store | null>(null);
export const CommanderContext = createContext<Commander | null>(null);

/** The store itself, for what a person does. */
export function useStore(): Store {
  const store = useContext(StoreContext);
  if (store === null) throw new Error("useStore outside of StoreContext");
  return store;
}

/** The way to command the trader. */
export function useCommander(): Commander {
  const commander = useContext(CommanderContext);
  if (commander === null) throw new Error("useCommander outside of CommanderContext");
  return commander;
}

/** A slice of what is known; re-renders when that slice moved, at most once a frame. */
export function useConsole<T>(select: (state: ConsoleState) => T): T {
  const store = useStore();
  return useSyncExternalStore(store.subscribe, () => select(store.getSnapshot()));
}

const clock = createClock();

/**
 * The moment that is shown, in ms of the server's clock: now, to the second, or when the picture was taken if it is
 * held or of the past. Ticks also while the link is down, so that ages grow.
 */
export function useServerNow(): number {
  const heldAtMs = useConsole(({ isPaused, view, model }) =>
    isPaused || view.at !== null ? model.atMs : null,
  );
  const nowMs = useWallNow();
  return heldAtMs ?? nowMs;
}

/** The server's clock in ms, to the second, whatever is looked at. */
export function useWallNow(): number {
  const skewMs = useConsole((state) => state.link.skewMs);
  return useLocalNow() + skewMs;
}

/** This computer's clock in ms, to the second. */
export function useLocalNow(): number {
  return useSyncExternalStore(clock.subscribe, clock.now);
}
