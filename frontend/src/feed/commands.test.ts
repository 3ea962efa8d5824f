import { expect, test, vi } from "vitest";
import { connection, snapshot } from "../testing/messages";
import { createCommander, tokenIn } from "./commands";
import { type LinkStatus, NOT_YET } from "./link";
import { createStore } from "./store";

const HALT = { verb: "halt", args: {} };

function setUp(status: LinkStatus, token = "") {
  const store = createStore((flush) => flush());
  store.push([connection(), snapshot()]);
  store.setLink({ ...NOT_YET, status });
  const send = vi.fn((_text: string) => true);
  return { commander: createCommander(store, { send }, token), send };
}

test("a command carries everything that the trader checks", () => {
  const { commander, send } = setUp("live", "secret");
  const id = commander.send(HALT, "HALT SIM", "");

  expect(JSON.parse(send.mock.calls[0]?.[0] ?? "")).toEqual({
    type: "command",
    data: { id, name: "halt", args: {}, confirm: "HALT SIM", token: "secret" },
  });
});

test("no two commands share an id", () => {
  const { commander } = setUp("live", "secret");

  expect(commander.send(HALT, "", "")).not.toBe(commander.send(HALT, "", ""));
});

test.each(["connecting", "silent", "down"] as const)(
  "while the link is %s it is not sent, then or later",
  (status) => {
    const { commander, send } = setUp(status, "secret");

    expect(commander.send(HALT, "HALT SIM", "")).toBeNull();
    expect(send).not.toHaveBeenCalled();
  },
);

test("a socket that is closed by now is told to the person", () => {
  const { commander, send } = setUp("live", "secret");
  send.mockReturnValue(false);

  expect(commander.send(HALT, "HALT SIM", "")).toBeNull();
});

test("a token that was typed is kept until it is refused", () => {
  const { commander, send } = setUp("live");
  expect(commander.hasToken()).toBe(false);

  commander.send(HALT, "HALT SIM", "typed");
  commander.send(HALT, "HALT SIM", "");
  expect(send.mock.calls.map(([text]) => JSON.parse(text).data.token)).toEqual(["typed", "typed"]);

  commander.forgetToken();
  expect(commander.hasToken()).toBe(false);
});

test.each([
  ["#token=a%2Bb_c", "a+b_c"],
  ["#token=", ""],
  ["", ""],
  ["#top", ""],
])("in %s the token is '%s'", (hash, token) => {
  expect(tokenIn(hash)).toBe(token);
});
