import { expect, test } from "vitest";
import { logLine } from "../../model/lines";
import { AT, line } from "../../testing/messages";
import { toNdjson } from "./save";

test("a line is an object, with its number and what the trader sent", () => {
  const text = toNdjson([{ ...logLine(line("one\ntwo", { seq: 7 })), id: 0 }]);

  expect(text.endsWith("}\n")).toBe(true);
  expect(text.trim().includes("\n")).toBe(false);
  expect(JSON.parse(text)).toMatchObject({ seq: 7, timestamp: AT, kind: "log", message: "one\ntwo" });
});
