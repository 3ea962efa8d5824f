import { expect, test } from "vitest";
import { consoleLine, heartbeat } from "../testing/messages";
import { decode } from "./decode";

test("a frame is one message", () => {
  expect(decode(JSON.stringify(heartbeat()))).toEqual({ messages: [heartbeat()], rejected: 0 });
});

test("a batch is its messages in order", () => {
  const items = [consoleLine(1, "a"), consoleLine(2, "b")];

  expect(decode(JSON.stringify({ type: "batch", data: { items } }))).toEqual({
    messages: items,
    rejected: 0,
  });
});

test("one bad item costs itself and nothing else", () => {
  const items = [consoleLine(1, "a"), { ...consoleLine(2, "b"), data: { level: "info" } }, null];

  expect(decode(JSON.stringify({ type: "batch", data: { items } }))).toEqual({
    messages: [consoleLine(1, "a")],
    rejected: 2,
  });
});

test.each([
  "",
  "nonsense",
  "null",
  "[]",
  "7",
  '{"type":"heartbeat"}',
  '{"type":"batch","data":{"items":7}}',
  '{"type":"constructor","seq":1,"timestamp":"t","data":{}}',
  '{"type":"weather","seq":1,"timestamp":"t","data":{}}',
  '{"type":"heartbeat","seq":"1","timestamp":"t","data":{"dropped":0,"lag_ms":0}}',
])("%j is counted and left out", (text) => {
  expect(decode(text)).toEqual({ messages: [], rejected: 1 });
});

test("another version of the protocol is not read", () => {
  const data = { protocol: 2, client_id: "", epoch: "", seq: 0, resumed: false, environment: "sim" };
  const rest = { server_version: "", states: {}, commands: [], heartbeat_s: 1 };

  expect(
    decode(JSON.stringify({ type: "connection", seq: 0, timestamp: "t", data: { ...data, ...rest } }))
      .rejected,
  ).toBe(1);
});
