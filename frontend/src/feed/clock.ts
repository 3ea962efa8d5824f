/** A clock that ticks once a second for as long as somebody listens. */
export interface Clock {
  readonly now: () => number;
  readonly subscribe: (listener: () => void) => () => void;
}

const TICK_MS = 1_000;

export function createClock(): Clock {
  const listeners = new Set<() => void>();
  let tick: ReturnType<typeof setInterval> | undefined;
  let nowMs = Date.now();

  const advance = () => {
    nowMs = Date.now();
    for (const listener of listeners) listener();
  };
  return {
    now: () => nowMs,
    subscribe: (listener) => {
      listeners.add(listener);
      if (tick === undefined) {
        nowMs = Date.now();
        tick = setInterval(advance, TICK_MS);
      }
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        clearInterval(tick);
        tick = undefined;
      };
    },
  };
}
