import { expect, test, vi } from "vitest";
import { connection, consoleLine, heartbeat, snapshot } from "../testing/messages";
import { createStore } from "./store";

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
