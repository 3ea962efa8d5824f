import { expect, test } from "vitest";
import { logLine } from "../../model/lines";
import type { Line } from "../../model/model";
import { Ring } from "../../model/ring";
import * as messages from "../../testing/messages";
import { createSources } from "./sources";

const line = (id: number, source: string): Line => ({ ...logLine(messages.line("", { source })), id });

test("whoever spoke is listed once, and the list stays the same until somebody new speaks", () => {
  const sourcesOf = createSources();
  const first = Ring.of(10, [line(0, "recon"), line(1, "feed")]);
  const names = sourcesOf(first);

  expect(names).toEqual(["feed", "recon"]);
  const second = first.append(line(2, "feed"));
  expect(sourcesOf(second)).toBe(names);
  expect(sourcesOf(second.append(line(3, "bus")))).toEqual(["bus", "feed", "recon"]);
});

test("another run has its own", () => {
  const sourcesOf = createSources();
  sourcesOf(Ring.of(10, [line(0, "recon")]));

  expect(sourcesOf(Ring.of(10, [line(0, "feed")]))).toEqual(["feed"]);
});
