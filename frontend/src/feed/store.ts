/**
 * What the page shows: the model, the link it came over, and what the person chose to look at. Messages are folded as
 * they come; whoever listens is told once per frame, however many came. No React here.
 *
 * `live` is the newest model and goes on whatever is looked at; `model` is what panels show: the same, or the one held
 * by a pause, or one of the past.
 */
import { EMPTY, type Model } from "../model/model";
import { fold } from "../model/reduce";
import { DEFAULT_VIEW, type View } from "../model/view";
import type { Message, SnapshotMessage } from "../protocol/messages";
import { type Link, type LinkWord, NOT_YET } from "./link";
import { NO_PAST, type Past, pastModel, withConnection } from "./past";
import type { Schedule } from "./schedule";

/** A command that waits for a person's confirmation. */
export interface Ask {
  readonly verb: string;
  readonly args: Readonly<Record<string, string>>;
}

export interface ConsoleState {
  readonly model: Model;
  readonly live: Model;
  readonly link: Link;
  readonly view: View;
  readonly isPaused: boolean;
  readonly past: Past;
  readonly asked: Ask | null;
  /** From a ping to its pong. */
  readonly roundTripMs: number | null;
  /** The longest that this page was busy at a stretch in the last minute; 0: never for long; null: not told. */
  readonly longestTaskMs: number | null;
  /** Frames or messages that this page could not read. */
  readonly rejected: number;
}

export interface Store {
  readonly getSnapshot: () => ConsoleState;
  readonly subscribe: (listener: () => void) => () => void;
  /** Everything as it will be shown by the next flush; its `model` is still that of the last. */
  readonly latest: () => ConsoleState;
  /** `receivedBytes`: how long the text was that they came in. */
  readonly push: (messages: readonly Message[], rejected?: number, receivedBytes?: number) => void;
  readonly setLink: (link: Link) => void;
  readonly setRoundTrip: (ms: number) => void;
  readonly setLongestTask: (ms: number) => void;
  readonly setView: (change: Partial<View>) => void;
  /** Hold everything that is shown as it is, or let it go on; intake goes on either way. */
  readonly togglePause: () => void;
  readonly showPast: (seq: number, snapshot: SnapshotMessage) => void;
  readonly failPast: (seq: number, problem: string) => void;
  /** Forget the books of markets that this page does not ask for any more. */
  readonly keepBooks: (tickers: readonly string[]) => void;
  readonly ask: (ask: Ask | null) => void;
}

export function createStore(schedule: Schedule, view: View = DEFAULT_VIEW): Store {
  const listeners = new Set<() => void>();
  let shown: ConsoleState = {
    model: EMPTY,
    live: EMPTY,
    link: NOT_YET,
    view,
    isPaused: false,
    past: NO_PAST,
    asked: null,
    roundTripMs: null,
    longestTaskMs: null,
    rejected: 0,
  };
  let next = shown;
  let isScheduled = false;

  const flush = () => {
    isScheduled = false;
    shown = next = { ...next, model: toShow(next, shown.model) };
    for (const listener of listeners) listener();
  };
  const update = (change: Partial<ConsoleState>) => {
    next = { ...next, ...change };
    if (isScheduled) return;
    isScheduled = true;
    schedule(flush);
  };
  const setView = (change: Partial<View>) => {
    update({ view: { ...next.view, ...change } });
    if (change.at === null) update({ past: NO_PAST });
    else if (change.at !== undefined) update({ past: { ...next.past, answered: null, problem: null } });
  };

  return {
    getSnapshot: () => shown,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    latest: () => next,
    push: (messages, rejected = 0, receivedBytes = 0) => {
      const before = { ...next.live, receivedBytes: next.live.receivedBytes + receivedBytes };
      const live = fold(before, messages);
      const epoch = next.live.connection?.epoch;
      // Another process: what was held or looked at is of one that is gone.
      if (epoch !== undefined && live.connection?.epoch !== epoch) {
        setView({ at: null });
        update({ isPaused: false });
      }
      update({ live, past: withConnection(next.past, live), rejected: next.rejected + rejected });
    },
    setLink: (link) => {
      const isBack = link.status === "live" && next.link.status !== "live";
      update({ link });
      if (isBack && next.past.problem !== null) setView({ at: next.view.at });
    },
    setRoundTrip: (roundTripMs) => update({ roundTripMs }),
    setLongestTask: (longestTaskMs) => update({ longestTaskMs }),
    setView,
    togglePause: () => update({ isPaused: !next.isPaused }),
    showPast: (answered, snapshot) =>
      update({ past: { answered, model: pastModel(next.live, snapshot), problem: null } }),
    failPast: (answered, problem) => update({ past: { ...next.past, answered, problem } }),
    keepBooks: (tickers) => {
      const books = new Map([...next.live.books].filter(([ticker]) => tickers.includes(ticker)));
      if (books.size < next.live.books.size) update({ live: { ...next.live, books } });
    },
    ask: (asked) => update({ asked }),
  };
}

/** While the past is on its way, what was shown stays. */
function toShow({ live, view, isPaused, past }: ConsoleState, shown: Model): Model {
  if (view.at !== null) return past.model ?? shown;
  return isPaused ? shown : live;
}

/** What the light says. The past is said first: nothing else on the page is of now. */
export function linkWord({ link, view, isPaused }: ConsoleState): LinkWord {
  if (view.at !== null) return "past";
  return isPaused && link.status === "live" ? "paused" : link.status;
}

/** The market that the ladder shows: the one chosen, or the first there is. */
export function chosenMarket({ model, view }: Pick<ConsoleState, "model" | "view">): string | null {
  return view.market ?? model.markets.keys().next().value ?? null;
}
