import { cleanup, fireEvent, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { AT, alert } from "../../testing/messages";
import { receive, renderConnecting, renderLive } from "../../testing/panel";
import { Alerts } from "./Alerts";

afterEach(cleanup);

const GAP = alert({ id: "gap", kind: "lint", count: 3, message: "gaps in the last minute" });
const DOWN = alert({ id: "down", level: "error", message: "the venue is down" });
const messages = () =>
  screen.queryAllByTestId("alert").map((row) => row.querySelector(".message")?.textContent);

test("nothing known is not the same as nothing wrong", () => {
  renderConnecting(<Alerts />);
  expect(screen.getByText(/neither good nor bad/)).toBeTruthy();

  cleanup();
  renderLive(<Alerts />);
  expect(screen.getByText(/No alarm/)).toBeTruthy();
});

test("the worst is first, lints have their count, and the set-up's warnings are among them", () => {
  renderLive(<Alerts />, { alerts: [GAP, DOWN], warnings: ["no database"] });

  expect(messages()).toEqual(["the venue is down", "gaps in the last minute ×3", "no database"]);
  expect(screen.getByTestId("alert-count").textContent).toBe("3 new of 3");
});

test("what is seen stays, unmarked, until it is over; when it comes again it is new", () => {
  const store = renderLive(<Alerts />, { alerts: [GAP, DOWN] });
  fireEvent.click(screen.getByRole("button", { name: `seen: ${GAP.message}` }));
  expect(screen.getByTestId("alert-count").textContent).toBe("1 new of 2");

  const say = (seq: number, change: Partial<typeof GAP>) =>
    receive(store, { type: "alert", seq, timestamp: AT, data: { ...GAP, ...change } });
  say(11, { is_active: false });
  expect(screen.getByTestId("alert-count").textContent).toBe("1 new of 1");

  say(12, { since: "2026-11-22T10:31:00.000Z" });
  expect(screen.getByTestId("alert-count").textContent).toBe("2 new of 2");

  fireEvent.click(screen.getByText("✓ all seen"));
  expect(screen.getByTestId("alert-count").textContent).toBe("0 new of 2");
});

test("its list opens and closes", () => {
  renderLive(<Alerts />, { alerts: [GAP] });
  const button = screen.getByText("▾ list");
  fireEvent.click(button);

  expect(button.getAttribute("aria-expanded")).toBe("true");
  expect(document.querySelector(".alarms")?.getAttribute("data-open")).toBe("true");
});
