/**
 * Time travel: whenever the view is at a number of the event log, fetches the picture of then and shows it.
 *
 * One request at a time; while it is under way only the newest wish is remembered, so a scrub shows steps and never
 * floods the trader. The live feed goes on underneath.
 */
import { decode } from "../protocol/decode";
import type { Store } from "./store";

export const PATIENCE_MS = 5_000;

export type Fetch = (url: string, init: { readonly signal: AbortSignal }) => Promise<Response>;

export function startTravel(store: Store, fetchPast: Fetch): () => void {
  let isUnderWay = false;

  const go = async () => {
    isUnderWay = true;
    for (let at = missing(store); at !== null; at = missing(store)) await show(store, fetchPast, at);
    isUnderWay = false;
  };
  const look = () => {
    if (!isUnderWay && missing(store) !== null) void go();
  };
  look();
  return store.subscribe(look);
}

/** The moment that is wanted and has no answer yet. */
function missing(store: Store): number | null {
  const { view, past } = store.latest();
  return view.at === past.answered ? null : view.at;
}

/** Fetch one moment and show it, unless another is wanted by then; every failure is a sentence on the page. */
async function show(store: Store, fetchPast: Fetch, at: number): Promise<void> {
  const fail = (problem: string) => {
    if (store.latest().view.at === at) store.failPast(at, problem);
  };
  try {
    const answer = await fetchPast(`/v3/replay?seq=${at}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    const text = await answer.text();
    const snapshot = decode(text).messages.find((message) => message.type === "snapshot");
    if (!answer.ok || snapshot === undefined) fail(reasonIn(text) ?? `the trader answered ${answer.status}`);
    else if (store.latest().view.at === at) store.showPast(at, snapshot);
  } catch {
    fail("the trader does not answer");
  }
}

/** The sentence of a refusal: `{"error": …}`. */
function reasonIn(text: string): string | null {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body !== "object" || body === null || !("error" in body)) return null;
    return typeof body.error === "string" ? body.error : null;
  } catch {
    return null;
  }
}
