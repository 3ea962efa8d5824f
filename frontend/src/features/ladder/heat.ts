/** When each level of a book last changed, as far as this page has seen. */
import type { MarketBook } from "../../protocol/messages";
import { complement, type Ticks, ticksOf } from "./prices";

export type Heat = (book: MarketBook) => ReadonlyMap<Ticks, number>;

/** The newest changes are the hottest; each class until it is this old. */
const CLASSES_MS = [10_000, 4_000, 1_500] as const;

type Sizes = ReadonlyMap<Ticks, string>;

export function createHeat(): Heat {
  let last: { readonly book: MarketBook; readonly sizes: Sizes } | null = null;
  let changedAtMs = new Map<Ticks, number>();

  return (book) => {
    if (book === last?.book) return changedAtMs;
    const sizes = sizesOf(book);
    if (last?.book.ticker !== book.ticker) {
      changedAtMs = new Map();
    } else if (book.last_update !== null) {
      const atMs = Date.parse(book.last_update);
      for (const price of changed(last.sizes, sizes)) changedAtMs.set(price, atMs);
    }
    last = { book, sizes };
    return changedAtMs;
  };
}

/** 3 for what has just changed, down to 0. */
export function heatClass(changedAtMs: number | undefined, nowMs: number): number {
  if (changedAtMs === undefined) return 0;
  return CLASSES_MS.filter((olderMs) => nowMs - changedAtMs < olderMs).length;
}

/** By price of YES; a price has bids or asks, never both. */
function sizesOf({ yes, no }: MarketBook): Sizes {
  const sizes = new Map<Ticks, string>();
  const put = (levels: readonly (readonly string[])[], place: (price: Ticks) => Ticks) => {
    for (const [price = "", size = ""] of levels) {
      const ticks = ticksOf(price);
      if (ticks !== null) sizes.set(place(ticks), size);
    }
  };
  put(yes, (price) => price);
  put(no, complement);
  return sizes;
}

function changed(before: Sizes, after: Sizes): readonly Ticks[] {
  const came = [...after].filter(([price, size]) => before.get(price) !== size).map(([price]) => price);
  const went = [...before.keys()].filter((price) => !after.has(price));
  return [...came, ...went];
}
