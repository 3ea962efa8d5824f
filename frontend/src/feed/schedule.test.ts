import { beforeEach, expect, test, vi } from "vitest";
import { onNextFrame } from "./schedule";

beforeEach(() => {
  vi.useFakeTimers();
});

test("a visible tab flushes on its next frame, and once", () => {
  const flush = vi.fn();
  onNextFrame(flush);

  vi.advanceTimersByTime(20);
  expect(flush).toHaveBeenCalledTimes(1);

  vi.advanceTimersByTime(1_000);
  expect(flush).toHaveBeenCalledTimes(1);
});

test("a hidden tab, which has no frames, flushes by timer", () => {
  vi.stubGlobal("requestAnimationFrame", () => 0);
  const flush = vi.fn();
  onNextFrame(flush);

  vi.advanceTimersByTime(250);

  expect(flush).toHaveBeenCalledTimes(1);
  vi.unstubAllGlobals();
});
