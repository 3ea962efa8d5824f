/**
 * What the page shows: the model and the link it came over. Messages are folded as they come; whoever listens is told
 * once per frame, however many came. No React here.
 */
import { EMPTY, type Model } from "../model/model";
import { reduce } from "../model/reduce";
import type { Message } from "../protocol/messages";
import { type Link, NOT_YET } from "./link";
import type { Schedule } from "./schedule";

export interface ConsoleState {
  readonly model: Model;
  readonly link: Link;
  /** Frames or messages that this page could not read. */
  readonly rejected: number;
}

export interface Store {
  readonly getSnapshot: () => ConsoleState;
  readonly subscribe: (listener: () => void) => () => void;
  /** The model as of now, ahead of the next flush. */
  readonly latest: () => Model;
  readonly push: (messages: readonly Message[], rejected?: number) => void;
  readonly setLink: (link: Link) => void;
}

export function createStore(schedule: Schedule): Store {
  const listeners = new Set<() => void>();
  let shown: ConsoleState = { model: EMPTY, link: NOT_YET, rejected: 0 };
  let next = shown;
  let isScheduled = false;

  const flush = () => {
    isScheduled = false;
    shown = next;
    for (const listener of listeners) listener();
  };
  const update = (change: Partial<ConsoleState>) => {
    next = { ...next, ...change };
    if (isScheduled) return;
    isScheduled = true;
    schedule(flush);
  };

  return {
    getSnapshot: () => shown,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    latest: () => next.model,
    push: (messages, rejected = 0) =>
      update({ model: messages.reduce(reduce, next.model), rejected: next.rejected + rejected }),
    setLink: (link) => update({ link }),
  };
}
