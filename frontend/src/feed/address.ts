/** Keeps the address true to the view, so that a pasted link reproduces it. */
import { formatView } from "../model/view";
import type { Store } from "./store";

/** Browsers refuse more than a hundred changes of the address in half a minute. */
const SETTLE_MS = 400;

export function keepAddress(store: Store, page: Window): () => void {
  let written = formatView(store.getSnapshot().view);
  let timer: ReturnType<typeof setTimeout>;

  const write = () => {
    const wanted = formatView(store.getSnapshot().view);
    if (wanted === written) return;
    written = wanted;
    page.history.replaceState(null, "", `${page.location.pathname}${wanted}`);
  };
  let seen = store.getSnapshot().view;
  return store.subscribe(() => {
    const { view } = store.getSnapshot();
    if (view === seen) return;
    seen = view;
    clearTimeout(timer);
    timer = setTimeout(write, SETTLE_MS);
  });
}
