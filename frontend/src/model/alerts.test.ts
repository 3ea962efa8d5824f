import { expect, test } from "vitest";
import type { Alert, Message } from "../protocol/messages";
import { AT, alert, connection, snapshot } from "../testing/messages";
import { EMPTY, type Model } from "./model";
import { fold } from "./reduce";

const LATER = "2026-11-22T10:31:00.000Z";
const LIVE = fold(EMPTY, [connection(), snapshot()]);

const say = (seq: number, change: Partial<Alert> = {}): Message => ({
  type: "alert",
  seq,
  timestamp: AT,
  data: alert(change),
});
const raised = (model: Model) => model.raised.slice().map(({ message }) => message);

test("an alert that begins is raised; its end is not, and when it comes again it is", () => {
  const begun = fold(LIVE, [say(11, { message: "one" })]);
  expect(raised(begun)).toEqual(["one"]);

  const over = fold(begun, [say(12, { is_active: false })]);
  expect(raised(over)).toEqual(["one"]);
  expect(over.alerts.size).toBe(0);
  expect(raised(fold(over, [say(13, { message: "two", since: LATER })]))).toEqual(["one", "two"]);
});

test("a new count or word of the same alert raises nothing, a worse level does, a better one does not", () => {
  const grown = fold(LIVE, [say(11, { message: "one" }), say(12, { message: "two", count: 2 })]);
  expect(raised(grown)).toEqual(["one"]);

  const worse = fold(grown, [say(13, { message: "three", level: "error" })]);
  expect(raised(worse)).toEqual(["one", "three"]);
  expect(raised(fold(worse, [say(14, { level: "warning" })]))).toEqual(["one", "three"]);
});

test("what a snapshot brings raises nothing, at the start and after an overflow", () => {
  const began = fold(EMPTY, [connection(), snapshot({ alerts: [alert()] })]);
  expect(raised(began)).toEqual([]);

  const heard = fold(began, [say(11, { id: "b", message: "heard" })]);
  const overrun = fold(heard, [snapshot({ reason: "overflow", alerts: [alert({ id: "c" })] }, 50)]);
  expect(overrun.alerts.size).toBe(1);
  expect(raised(overrun)).toEqual(["heard"]);
});

test("what a resume tells again raises nothing, what comes after it does", () => {
  const missed = fold(LIVE, [connection({ resumed: true, seq: 20 }), say(15, { message: "missed" })]);
  expect(missed.alerts.size).toBe(1);
  expect(raised(missed)).toEqual([]);

  expect(raised(fold(missed, [say(21, { id: "b", message: "now" })]))).toEqual(["now"]);
});

test("another process begins with nothing raised", () => {
  const heard = fold(LIVE, [say(11)]);

  expect(raised(fold(heard, [connection({ epoch: "e2", seq: 0 })]))).toEqual([]);
});
