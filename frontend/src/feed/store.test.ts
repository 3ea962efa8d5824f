import { expect, test, vi } from "vitest";
import { DEFAULT_VIEW } from "../model/view";
import type { SnapshotMessage } from "../protocol/messages";
import { book, connection, consoleLine, heartbeat, market, snapshot } from "../testing/messages";
import { NOT_YET } from "./link";
import { chosenMarket, createStore, linkWord, type Store } from "./store";

const LIVE = { ...NOT_YET, status: "live" } as const;

function liveStore(): Store {
  const store = createStore((flush) => flush());
  store.push([connection(), snapshot()]);
  store.setLink(LIVE);
  return store;
}

function past(change: Parameters<typeof snapshot>[0] = {}): SnapshotMessage {
  const message = snapshot({ reason: "past", state: "error", ...change }, 4);
  if (message.type !== "snapshot") throw new Error("not a snapshot");
  return message;
}

test("however many messages come, listeners are told once per frame", () => {
  const frames: Array<() => void> = [];
  const store = createStore((flush) => frames.push(flush));
  const listener = vi.fn();
  store.subscribe(listener);

  store.push([connection(), snapshot()]);
  for (let seq = 11; seq < 1_011; seq++) store.push([consoleLine(seq, "line")]);

  expect(frames.length).toBe(1);
  expect(listener).not.toHaveBeenCalled();
  expect(store.getSnapshot().model.lines.length).toBe(0);

  frames[0]?.();

  expect(listener).toHaveBeenCalledTimes(1);
  expect(store.getSnapshot().model.seq).toBe(1_010);

  store.push([heartbeat()]);
  expect(frames.length).toBe(2);
});

test("who has unsubscribed is not told", () => {
  const store = createStore((flush) => flush());
  const listener = vi.fn();
  store.subscribe(listener)();

  store.push([], 1);

  expect(listener).not.toHaveBeenCalled();
  expect(store.getSnapshot().rejected).toBe(1);
});

test("paused, what is shown stands still and intake goes on", () => {
  const store = liveStore();
  const before = store.getSnapshot().model;
  store.togglePause();
  store.push([consoleLine(11, "unseen")]);

  expect(store.getSnapshot().model).toBe(before);
  expect(store.getSnapshot().live.lines.last?.message).toBe("unseen");
  expect(linkWord(store.getSnapshot())).toBe("paused");

  store.togglePause();
  expect(store.getSnapshot().model).toBe(store.getSnapshot().live);
});

test("a link that breaks is said, pause or not", () => {
  const store = liveStore();
  store.togglePause();
  store.setLink({ ...LIVE, status: "down" });

  expect(linkWord(store.getSnapshot())).toBe("down");
});

test("until the past is here what was shown stays; then every slice is of the past", () => {
  const store = liveStore();
  const before = store.getSnapshot().model;
  store.setView({ at: 4 });
  store.push([consoleLine(11, "later")]);
  expect(store.getSnapshot().model).toBe(before);
  expect(linkWord(store.getSnapshot())).toBe("past");

  store.showPast(4, past());

  expect(store.getSnapshot().model).toMatchObject({ seq: 4, trader: { state: "error" } });
  expect(store.getSnapshot().model.connection).toBe(store.getSnapshot().live.connection);
  expect(store.getSnapshot().live.trader?.state).toBe("ready");

  store.setView({ at: null });
  expect(store.getSnapshot().model).toBe(store.getSnapshot().live);
});

test("a past that came before the socket gets its environment from it", () => {
  const store = createStore((flush) => flush(), { ...DEFAULT_VIEW, at: 4 });
  store.showPast(4, past());
  store.push([connection(), snapshot()]);

  expect(store.getSnapshot().model).toMatchObject({ seq: 4, connection: { environment: "sim" } });
});

test("another choice does not lose the past that is shown", () => {
  const store = liveStore();
  store.setView({ at: 4 });
  store.showPast(4, past());
  store.setView({ text: "gap" });

  expect(store.getSnapshot().past.answered).toBe(4);
});

test("another process ends pause and past: their moment is of one that is gone", () => {
  const store = liveStore();
  store.setView({ at: 4, market: "T" });
  store.showPast(4, past());
  store.push([connection({ epoch: "e2", seq: 0 })]);

  expect(store.getSnapshot().view).toEqual({ ...DEFAULT_VIEW, market: "T" });
  expect(store.getSnapshot().model.trader).toBeNull();
});

test("a past that failed is asked for again once the link is back", () => {
  const store = liveStore();
  store.setView({ at: 4 });
  store.failPast(4, "no answer");
  store.setLink({ ...LIVE, status: "down" });
  expect(store.latest().past.problem).toBe("no answer");

  store.setLink(LIVE);
  expect(store.latest().past).toEqual({ answered: null, model: null, problem: null });
});

test("the first market is chosen until a person chooses", () => {
  const store = liveStore();
  expect(chosenMarket(store.getSnapshot())).toBe(market().ticker);

  store.setView({ market: "OTHER" });
  expect(chosenMarket(store.getSnapshot())).toBe("OTHER");
});

test("books that are not asked for any more are forgotten", () => {
  const store = liveStore();
  store.push([{ type: "book", seq: 10, timestamp: "", data: book() }]);
  store.keepBooks([]);

  expect(store.getSnapshot().live.books.size).toBe(0);
});
