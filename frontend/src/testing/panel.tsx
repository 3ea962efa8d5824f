/** One panel with a live store around it, for the tests of a room. */
import { act, render } from "@testing-library/react";
import type { ReactNode } from "react";
import { StoreContext } from "../feed/hooks";
import { createStore, type Store } from "../feed/store";
import type { Message, Snapshot } from "../protocol/messages";
import { AT, connection, snapshot } from "./messages";

/** Renders the panel, connected and in sync with a trader whose picture differs from the usual one by `change`. */
export function renderLive(panel: ReactNode, change: Partial<Snapshot> = {}): Store {
  const store = renderConnecting(panel);
  receive(store, connection(), snapshot(change));
  const atMs = Date.parse(AT);
  act(() => store.setLink({ status: "live", sinceMs: atMs, heardAtMs: atMs, retryAtMs: null, skewMs: 0 }));
  return store;
}

/** Renders the panel before the trader has said anything. */
export function renderConnecting(panel: ReactNode): Store {
  const store = createStore((flush) => flush());
  render(<StoreContext value={store}>{panel}</StoreContext>);
  return store;
}

export function receive(store: Store, ...messages: readonly Message[]): void {
  act(() => store.push(messages));
}
