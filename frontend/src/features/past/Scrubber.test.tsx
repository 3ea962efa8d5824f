import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StoreContext } from "../../feed/hooks";
import { createStore, type Store } from "../../feed/store";
import { connection, snapshot, transition } from "../../testing/messages";
import { Scrubber } from "./Scrubber";

const at = (second: number) => `2026-11-22T10:30:0${second}.000Z`;
let store: Store;

beforeEach(() => {
  store = createStore((flush) => flush());
  const transitions = [transition("startup", "ready", at(1), 12), transition("ready", "error", at(2), 40)];
  store.push([connection({ seq: 50 }), snapshot({ transitions }, 50)]);
  render(
    <StoreContext value={store}>
      <Scrubber />
    </StoreContext>,
  );
});
afterEach(cleanup);

const shown = () => store.getSnapshot().view.at;
const press = (key: string) => act(() => fireEvent.keyDown(document.body, { key }));
const drag = (value: number) =>
  act(() => fireEvent.change(screen.getByTestId("scrubber"), { target: { value: String(value) } }));

test("the brackets go from transition to transition, and beyond the newest to now", () => {
  const visited = ["[", "[", "[", "]", "]"].map((key) => {
    press(key);
    return shown();
  });

  expect(visited).toEqual([40, 12, 12, 40, null]);
});

test("Escape goes back to now", () => {
  press("[");
  press("Escape");

  expect(shown()).toBeNull();
});

test("dragging goes to that event; its right end is now", () => {
  drag(20);
  expect(shown()).toBe(20);
  expect(screen.getByTestId("scrubber").getAttribute("aria-valuetext")).toBe("event 20");

  drag(50);
  expect(shown()).toBeNull();
});
