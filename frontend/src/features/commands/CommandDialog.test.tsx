import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createCommander } from "../../feed/commands";
import { CommanderContext, StoreContext } from "../../feed/hooks";
import { type LinkStatus, NOT_YET } from "../../feed/link";
import { type Ask, createStore, type Store } from "../../feed/store";
import { connection, RISK, snapshot } from "../../testing/messages";
import { CommandDialog } from "./CommandDialog";

const HALT: Ask = { verb: "halt", args: {} };
let store: Store;
let sent: Array<{ readonly data: { readonly id: string; readonly confirm: string; readonly token: string } }>;

beforeEach(() => {
  store = createStore((flush) => flush());
  sent = [];
});
afterEach(cleanup);

function open(ask: Ask, token = "secret"): void {
  const send = (text: string) => sent.push(JSON.parse(text)) > 0;
  store.push([connection({ environment: "paper" }), snapshot({ risk: { ...RISK, resting_orders: 7 } })]);
  link("live");
  store.ask(ask);
  render(
    <StoreContext value={store}>
      <CommanderContext value={createCommander(store, { send }, token)}>
        <CommandDialog />
      </CommanderContext>
    </StoreContext>,
  );
}

function link(status: LinkStatus): void {
  act(() => store.setLink({ ...NOT_YET, status }));
}

function type(testId: string, value: string): void {
  fireEvent.change(screen.getByTestId(testId), { target: { value } });
}

function answer(ok: boolean, reason: string): void {
  const data = { id: sent.at(-1)?.data.id ?? "", ok, reason };
  act(() => store.push([{ type: "command_result", seq: 11, timestamp: "", data }]));
}

const isReady = () => !screen.getByTestId("kill-confirm").hasAttribute("disabled");
const confirm = () => fireEvent.click(screen.getByTestId("kill-confirm"));

test("a halt names environment, resting orders, and what it does not do", () => {
  open(HALT);

  const words = screen.getByRole("dialog").textContent;
  expect(words).toContain("PAPER Halt trading");
  expect(words).toContain("Resting orders now: 7");
  expect(words).toContain("Positions stay as they are");
});

test("cancelling all says what rests, and that the strategy may quote again", () => {
  open({ verb: "cancel_all", args: {} });

  const words = screen.getByRole("dialog").textContent;
  expect(words).toContain("PAPER Cancel all orders");
  expect(words).toContain("Resting orders now: 7");
  expect(words).toContain("may quote again");
});

test("only the exact word of this environment enables it", () => {
  open(HALT);
  expect(isReady()).toBe(false);

  for (const wrong of ["HALT", "halt paper", "HALT PRODUCTION", "HALT PAPER "]) {
    type("kill-word", wrong);
    expect(isReady()).toBe(false);
  }
  type("kill-word", "HALT PAPER");
  expect(isReady()).toBe(true);
});

test.each([
  [{ verb: "pause", args: {} }, "PAUSE PAPER"],
  [{ verb: "cancel_all", args: {} }, "CANCEL ALL PAPER"],
  [{ verb: "resume", args: {} }, "RESUME PAPER"],
  [{ verb: "resync", args: { ticker: "KX-1" } }, "KX-1"],
  [{ verb: "resync", args: {} }, "ALL"],
  [{ verb: "reconnect", args: { connection: "orderbook_connector_2" } }, "orderbook_connector_2"],
  [{ verb: "restart_actor", args: { name: "recorder" } }, "recorder"],
] satisfies ReadonlyArray<[Ask, string]>)("%o is confirmed by %s", (ask, word) => {
  open(ask);
  type("kill-word", word);
  confirm();

  expect(sent[0]?.data).toMatchObject({ name: ask.verb, args: ask.args, confirm: word, token: "secret" });
});

test("the trader's answer is shown, and another's is not", () => {
  open(HALT);
  type("kill-word", "HALT PAPER");
  confirm();
  const other = { id: "c9-1", ok: true, reason: "of another" };
  act(() => store.push([{ type: "command_result", seq: 10, timestamp: "", data: other }]));
  expect(screen.getByTestId("command-result").textContent).toBe("Sent.");

  answer(true, "cancelled 7 of 7 orders");
  expect(screen.getByTestId("command-result").textContent).toBe("✓ Done: cancelled 7 of 7 orders");
});

test("without a token it asks for one, and after a refusal for another", () => {
  open(HALT, "");
  type("kill-word", "HALT PAPER");
  expect(isReady()).toBe(false);
  type("token", "wrong");
  confirm();
  answer(false, "the control token is missing or wrong");
  expect(screen.getByTestId("command-result").textContent).toContain("✕ Refused: the control token");

  fireEvent.click(screen.getByText("try again"));
  type("kill-word", "HALT PAPER");
  type("token", "right");
  confirm();
  expect(sent.map(({ data }) => data.token)).toEqual(["wrong", "right"]);
});

test("while the link is down it says why, and nothing is sent then or later", () => {
  open(HALT);
  type("kill-word", "HALT PAPER");
  link("down");
  expect(isReady()).toBe(false);
  expect(screen.getByTestId("command-problem").textContent).toContain("The link is down");

  fireEvent.submit(screen.getByTestId("kill-word"));
  link("live");
  expect(sent).toEqual([]);
});

test("a link that breaks before the answer leaves the outcome open, in words", () => {
  open(HALT);
  type("kill-word", "HALT PAPER");
  confirm();
  link("down");

  expect(screen.getByTestId("command-result").textContent).toContain("may have been carried out");
});

test("closing it asks for nothing any more", () => {
  open(HALT);
  fireEvent.click(screen.getByText("cancel (Esc)"));

  expect(store.getSnapshot().asked).toBeNull();
  expect(screen.queryByRole("dialog")).toBeNull();
});
