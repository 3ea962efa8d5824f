/** How long this page keeps its own thread busy: the longest task of the last minute, where the browser tells. */
import type { Store } from "./store";

/** Shorter tasks are not told; none is felt. */
export const TOLD_MS = 50;
const MEMORY_MS = 60_000;

export function watchSlowness(store: Store): void {
  if (!PerformanceObserver.supportedEntryTypes.includes("longtask")) return;
  let newest: readonly PerformanceEntry[] = [];
  const tell = () => {
    const since = performance.now() - MEMORY_MS;
    newest = newest.filter(({ startTime }) => startTime >= since);
    store.setLongestTask(Math.max(0, ...newest.map(({ duration }) => duration)));
  };
  new PerformanceObserver((list) => {
    newest = [...newest, ...list.getEntries()];
    tell();
  }).observe({ type: "longtask" });
  setInterval(tell, MEMORY_MS / 10);
  tell();
}
