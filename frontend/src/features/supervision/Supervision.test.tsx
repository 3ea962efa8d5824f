import { cleanup, fireEvent, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import type { Actor } from "../../protocol/messages";
import { AT } from "../../testing/messages";
import { receive, renderConnecting, renderLive } from "../../testing/panel";
import { Supervision } from "./Supervision";

afterEach(cleanup);

const actor = (name: string) => {
  const found = screen.getAllByTestId("actor").find(({ dataset }) => dataset.actor === name);
  if (found === undefined) throw new Error(`no actor ${name}`);
  return found;
};

const FAILED: Actor = {
  name: "broadcaster",
  status: "backoff",
  restarts: 2,
  last_error: "boom",
  timestamp: AT,
};

test("before the trader answers it says what will come", () => {
  renderConnecting(<Supervision />);

  expect(screen.getByText(/tree of actors comes/)).toBeTruthy();
});

test("a supervisor shows its strategy, a worker its mailbox", () => {
  renderLive(<Supervision />);

  expect(actor("root").textContent).toContain("one_for_one");
  expect(actor("broadcaster").textContent).toContain("3/1k");
  expect(actor("broadcaster").textContent).toContain("−1");
  expect(screen.getByText("2 of 2 running")).toBeTruthy();
});

test("an actor that fails shows status, restarts and error", () => {
  const store = renderLive(<Supervision />);
  receive(store, { type: "actor", seq: 11, timestamp: AT, data: FAILED });

  expect(actor("broadcaster").dataset.status).toBe("backoff");
  expect(actor("broadcaster").textContent).toContain("↻ backoff");
  expect(actor("broadcaster").textContent).toContain("↻2");
  expect(actor("broadcaster").textContent).toContain("boom");
  expect(screen.getByText("1 of 2 running · ↻2")).toBeTruthy();
});

test("one row is in the tab order; arrows take it along", () => {
  renderLive(<Supervision />);
  actor("root").focus();
  fireEvent.keyDown(actor("root"), { key: "ArrowDown" });

  expect(document.activeElement).toBe(actor("broadcaster"));
  expect([actor("root").tabIndex, actor("broadcaster").tabIndex]).toEqual([-1, 0]);
});

test("Enter tells all of an actor, with the verb to restart it; a supervisor has none", () => {
  const store = renderLive(<Supervision />);
  receive(store, { type: "actor", seq: 11, timestamp: AT, data: { ...FAILED, status: "running" } });
  fireEvent.click(actor("broadcaster"));
  const details = screen.getByTestId("actor-details");

  expect(details.textContent).toContain("boom");
  expect(details.textContent).toContain("drop_oldest");
  fireEvent.click(screen.getByRole("button", { name: "restart broadcaster" }));
  expect(store.getSnapshot().asked).toEqual({ verb: "restart_actor", args: { name: "broadcaster" } });

  fireEvent.click(actor("root"));
  expect(screen.queryByRole("button", { name: /restart/ })).toBeNull();
  fireEvent.keyDown(actor("root"), { key: "Enter" });
  expect(screen.queryByTestId("actor-details")).toBeNull();
});
