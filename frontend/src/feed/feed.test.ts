import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeWebSocket } from "../testing/FakeWebSocket";
import { AT, connection, consoleLine, heartbeat, snapshot } from "../testing/messages";
import { GIVE_UP_MS, PING_MS, startFeed } from "./feed";
import type { Socket } from "./socket";
import { createStore, type Store } from "./store";

const HERE = { protocol: "http:", host: "127.0.0.1:8005" };
let store: Store;
let feed: Socket;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse(AT) });
  vi.stubGlobal("WebSocket", FakeWebSocket);
  FakeWebSocket.made = [];
  store = createStore((flush) => flush());
  feed = startFeed(store, HERE);
});

afterEach(() => {
  feed.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const link = () => store.getSnapshot().link;

function goLive(): void {
  FakeWebSocket.newest.accept();
  FakeWebSocket.newest.receive(connection(), snapshot());
}

test("the first attempt asks for batches and for nothing to resume", () => {
  expect(FakeWebSocket.newest.url).toBe("ws://127.0.0.1:8005/v3/ws?batch_ms=50");
  expect(link().status).toBe("connecting");
});

test("it is live only once the picture is whole", () => {
  FakeWebSocket.newest.accept();
  FakeWebSocket.newest.receive(connection());
  expect(link().status).toBe("connecting");

  FakeWebSocket.newest.receive(snapshot());
  expect(link().status).toBe("live");
});

test("a page opened before the trader keeps trying, and is never called down", () => {
  for (let attempt = 1; attempt < 10; attempt++) {
    FakeWebSocket.newest.drop();
    expect(link()).toMatchObject({ status: "connecting", heardAtMs: null });
    vi.advanceTimersByTime(3_000);
    expect(FakeWebSocket.made.length).toBe(attempt + 1);
  }
  goLive();

  expect(link().status).toBe("live");
});

test("three heartbeats missed are silence, and a word ends it", () => {
  goLive();
  vi.advanceTimersByTime(2_999);
  expect(link().status).toBe("live");

  vi.advanceTimersByTime(1);
  expect(link()).toMatchObject({ status: "silent", heardAtMs: Date.parse(AT) });

  FakeWebSocket.newest.receive(heartbeat());
  expect(link().status).toBe("live");
});

test("noise is no sign of life", () => {
  goLive();
  vi.advanceTimersByTime(2_000);
  FakeWebSocket.newest.receive("noise");
  vi.advanceTimersByTime(1_000);

  expect(link().status).toBe("silent");
  expect(store.getSnapshot().rejected).toBe(1);
});

test("what comes is counted in bytes, whatever it says, and anew with another process", () => {
  goLive();
  const before = store.getSnapshot().model.receivedBytes;
  FakeWebSocket.newest.receive("→");
  expect(store.getSnapshot().model.receivedBytes - before).toBe(5);

  FakeWebSocket.newest.receive(connection({ epoch: "e2" }));
  expect(store.getSnapshot().model.receivedBytes).toBe(0);
});

test("a socket that stays silent is given up", () => {
  goLive();
  vi.advanceTimersByTime(3_000 + GIVE_UP_MS);
  expect(link().status).toBe("down");

  vi.advanceTimersByTime(250);
  expect(FakeWebSocket.made.length).toBe(2);
});

test("after a drop it is down at once, and the next attempt says where to resume", () => {
  goLive();
  FakeWebSocket.newest.receive(consoleLine(11, "last"));
  FakeWebSocket.newest.drop();
  expect(link().status).toBe("down");
  expect(link().retryAtMs).not.toBeNull();

  vi.advanceTimersByTime(250);
  expect(FakeWebSocket.newest.url).toContain("epoch=e1&last_seq=11");

  FakeWebSocket.newest.accept();
  FakeWebSocket.newest.receive(connection({ resumed: true }));
  expect(link().status).toBe("live");
  expect(store.getSnapshot().model.lines.last?.message).toBe("last");
});

test("a restarted trader is not live before its own picture is here", () => {
  goLive();
  FakeWebSocket.newest.drop();
  vi.advanceTimersByTime(250);
  FakeWebSocket.newest.accept();
  FakeWebSocket.newest.receive(connection({ epoch: "e2" }));

  expect(link().status).toBe("down");
  expect(store.getSnapshot().model.trader).toBeNull();
});

test("the clock of a computer that is wrong is corrected by the server's", () => {
  goLive();
  FakeWebSocket.newest.receive(heartbeat(10, "2026-11-22T11:30:00.000Z"));

  expect(link().skewMs).toBe(3_600_000);
});

const sent = () => FakeWebSocket.newest.sent.map((text): unknown => JSON.parse(text));

test("the chosen market's book is asked for once, again after a choice, and again on a new socket", () => {
  goLive();
  expect(sent()).toEqual([{ type: "subscribe", data: { books: ["KXDEMO-26DEC31-T100"] } }]);

  store.setView({ market: "OTHER" });
  FakeWebSocket.newest.receive(heartbeat());
  expect(sent().at(-1)).toEqual({ type: "subscribe", data: { books: ["OTHER"] } });
  expect(sent().length).toBe(2);

  FakeWebSocket.newest.drop();
  vi.advanceTimersByTime(250);
  FakeWebSocket.newest.accept();
  FakeWebSocket.newest.receive(connection({ resumed: true }));
  expect(sent()).toEqual([{ type: "subscribe", data: { books: ["OTHER"] } }]);
});

test("a ping measures the way there and back", () => {
  goLive();
  vi.advanceTimersByTime(PING_MS);
  expect(sent().at(-1)).toEqual({ type: "ping" });

  vi.advanceTimersByTime(7);
  FakeWebSocket.newest.receive({ type: "pong", seq: 10, timestamp: AT, data: {} });
  expect(store.getSnapshot().roundTripMs).toBe(7);
});
