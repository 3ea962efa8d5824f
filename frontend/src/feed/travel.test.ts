import { expect, test, vi } from "vitest";
import { connection, snapshot } from "../testing/messages";
import { createStore, type Store } from "./store";
import { startTravel } from "./travel";

/** A trader whose answers the test gives. */
class Trader {
  readonly asked: string[] = [];
  readonly #answers: Array<(answer: Response) => void> = [];

  fetch = (url: string): Promise<Response> => {
    this.asked.push(url);
    return new Promise((resolve) => this.#answers.push(resolve));
  };

  async answer(body: unknown, status = 200): Promise<void> {
    this.#answers.shift()?.(new Response(JSON.stringify(body), { status }));
    await new Promise((resolve) => setTimeout(resolve)); // the text of a response takes turns of the loop
  }
}

function setUp(): { readonly store: Store; readonly trader: Trader } {
  const store = createStore((flush) => flush());
  store.push([connection(), snapshot()]);
  const trader = new Trader();
  startTravel(store, trader.fetch);
  return { store, trader };
}

test("nothing is asked while it is now", () => {
  expect(setUp().trader.asked).toEqual([]);
});

test("one moment is fetched and shown", async () => {
  const { store, trader } = setUp();
  store.setView({ at: 4 });
  await trader.answer(snapshot({ reason: "past", state: "error" }, 4));

  expect(trader.asked).toEqual(["/v3/replay?seq=4"]);
  expect(store.getSnapshot().model.trader?.state).toBe("error");
});

test("while one answer is under way only the newest wish is kept", async () => {
  const { store, trader } = setUp();
  for (const at of [4, 5, 6, 7]) store.setView({ at });
  await trader.answer(snapshot({ reason: "past" }, 4));
  expect(store.getSnapshot().past.answered).toBeNull();
  await trader.answer(snapshot({ reason: "past" }, 7));

  expect(trader.asked).toEqual(["/v3/replay?seq=4", "/v3/replay?seq=7"]);
  expect(store.getSnapshot().model.seq).toBe(7);
});

test("back to now does not wait for an answer, and a late one changes nothing", async () => {
  const { store, trader } = setUp();
  store.setView({ at: 4 });
  store.setView({ at: null });
  await trader.answer(snapshot({ reason: "past", state: "error" }, 4));

  expect(store.getSnapshot().model).toBe(store.getSnapshot().live);
});

test("a refusal is shown in the trader's words, and asked again only on demand", async () => {
  const { store, trader } = setUp();
  store.setView({ at: 1 });
  await trader.answer({ error: "event 1 is no longer kept; kept are 5 to 76" }, 410);
  expect(store.getSnapshot().past.problem).toContain("kept are 5 to 76");
  expect(trader.asked.length).toBe(1);

  store.setView({ at: 1 });
  expect(trader.asked.length).toBe(2);
});

test.each([
  [{ nonsense: 1 }, 200],
  ["<html>", 502],
])("an answer that is none is a problem, not a picture", async (body, status) => {
  const { store, trader } = setUp();
  store.setView({ at: 4 });
  await trader.answer(body, status);

  expect(store.getSnapshot().past.problem).toBe(`the trader answered ${status}`);
});

test("no answer at all is said", async () => {
  const store = createStore((flush) => flush());
  startTravel(store, () => Promise.reject(new TypeError("network")));
  store.setView({ at: 4 });
  await vi.waitFor(() => expect(store.getSnapshot().past.problem).toBe("the trader does not answer"));
});
