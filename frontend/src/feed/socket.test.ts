import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeWebSocket } from "../testing/FakeWebSocket";
import { BACKOFF_MS_MAX, HANDSHAKE_MS_MAX, openSocket, type Socket } from "./socket";

const onText = vi.fn();
const onDown = vi.fn();
let socket: Socket;

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
  vi.stubGlobal("WebSocket", FakeWebSocket);
  FakeWebSocket.made = [];
  onText.mockReset();
  onDown.mockReset();
  socket = openSocket({ url: () => "ws://trader", onText, onDown }, () => 1);
});

afterEach(() => {
  socket.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** Drop the connection and return how long it waits before the next. */
function backoffMs(): number {
  const before = FakeWebSocket.made.length;
  FakeWebSocket.newest.drop();
  for (let waited = 0; waited <= 60_000; waited += 50) {
    if (FakeWebSocket.made.length > before) return waited;
    vi.advanceTimersByTime(50);
  }
  throw new Error("it gave up");
}

test("it waits longer each time, up to a limit, and never gives up", () => {
  expect([1, 2, 3, 4, 5, 6].map(backoffMs)).toEqual([250, 500, 1_000, 2_000, BACKOFF_MS_MAX, BACKOFF_MS_MAX]);
  expect(onDown).toHaveBeenLastCalledWith(Date.now());
});

test("jitter takes up to half of it away", () => {
  socket.close();
  socket = openSocket({ url: () => "ws://trader", onText, onDown }, () => 0);

  expect([1, 2].map(backoffMs)).toEqual([150, 250]);
});

test("an open alone does not reset the wait; a frame does", () => {
  backoffMs();
  FakeWebSocket.newest.accept();
  expect(backoffMs()).toBe(500);

  FakeWebSocket.newest.accept();
  FakeWebSocket.newest.receive("hello");
  expect(backoffMs()).toBe(250);
});

test("what cannot be sent now is refused, never sent later", () => {
  expect(socket.send("resume")).toBe(false);
  FakeWebSocket.newest.accept();
  expect(FakeWebSocket.newest.sent).toEqual([]);

  expect(socket.send("ping")).toBe(true);
  expect(FakeWebSocket.newest.sent).toEqual(["ping"]);

  FakeWebSocket.newest.drop();
  expect(socket.send("resume")).toBe(false);
});

test("a handshake that hangs is abandoned", () => {
  vi.advanceTimersByTime(HANDSHAKE_MS_MAX + 250);

  expect(FakeWebSocket.made.length).toBe(2);
});

test("a socket that was given up cannot speak any more", () => {
  const old = FakeWebSocket.newest;
  old.accept();
  socket.reopen();
  old.receive("late");

  expect(onText).not.toHaveBeenCalled();
});

test("closed stays closed", () => {
  socket.close();
  vi.advanceTimersByTime(60_000);

  expect(FakeWebSocket.made.length).toBe(1);
});
