import { expect, test } from "vitest";
import { DEFAULT_VIEW, formatView, parseView, type View } from "./view";

test("an empty address is the default view, and the default view an empty address", () => {
  expect(parseView("")).toEqual(DEFAULT_VIEW);
  expect(formatView(DEFAULT_VIEW)).toBe("");
});

test("what the address says is what it reads back", () => {
  const view: View = {
    market: "KXHIGHNY-26NOV22-B60",
    tab: "orders",
    text: "gap & more",
    level: "warning",
    source: "event_bus",
    kind: "alert",
    span: "5m",
    tz: "local",
    at: 55_174,
  };

  expect(parseView(formatView(view))).toEqual(view);
});

test("a link made by hand is read as it is meant", () => {
  expect(parseView("?at=55174&market=T&level=warning&q=gap&tab=orders&tz=utc")).toEqual({
    ...DEFAULT_VIEW,
    at: 55_174,
    market: "T",
    level: "warning",
    text: "gap",
    tab: "orders",
  });
});

test.each(["?level=loud", "?tab=nowhere", "?at=-1", "?at=1e3", "?at=", "?tz=mars", "?kind=x&span=9m"])(
  "%s says nothing that is known",
  (search) => {
    expect(parseView(search)).toEqual(DEFAULT_VIEW);
  },
);
