/**
 * Which markets the table shows, in which order. Worked out anew when the question or the list changes and once a
 * second, not with every change of a price: thousands of rows that jump under the eye say nothing.
 */
import type { MarketTop } from "../../protocol/messages";

export type Column =
  | "ticker"
  | "book"
  | "yes_bid_size"
  | "yes_bid"
  | "yes_ask"
  | "yes_ask_size"
  | "updates"
  | "last_update";

export interface Sorting {
  readonly column: Column;
  readonly isDescending: boolean;
}

export type Markets = ReadonlyMap<string, MarketTop>;

interface Question extends Sorting {
  readonly text: string;
  /** The second in which the order was worked out. */
  readonly nowMs: number;
}

const TROUBLE: Readonly<Record<MarketTop["book_state"], number>> = { stale: 0, syncing: 1, live: 2 };

const KEYS: Readonly<Record<Column, (top: MarketTop) => string | number | null>> = {
  ticker: ({ ticker }) => ticker,
  book: ({ book_state }) => TROUBLE[book_state],
  yes_bid_size: ({ yes_bid_size }) => size(yes_bid_size),
  // Prices all have the same form, so that their text sorts as they do.
  yes_bid: ({ yes_bid }) => yes_bid,
  yes_ask: ({ yes_ask }) => yes_ask,
  yes_ask_size: ({ yes_ask_size }) => size(yes_ask_size),
  updates: ({ updates }) => updates,
  last_update: ({ last_update }) => last_update,
};

export function createOrder(): (markets: Markets, question: Question) => readonly string[] {
  let asked: Question | null = null;
  let count = -1;
  let order: readonly string[] = [];

  return (markets, question) => {
    if (asked !== null && isSame(asked, question) && count === markets.size) return order;
    asked = question;
    count = markets.size;
    order = inOrder(markets, question);
    return order;
  };
}

function inOrder(markets: Markets, { text, column, isDescending }: Question): readonly string[] {
  const needle = text.toLowerCase();
  const keyOf = KEYS[column];
  const rows = [...markets.values()]
    .filter(({ ticker }) => ticker.toLowerCase().includes(needle))
    .map((top) => ({ ticker: top.ticker, key: keyOf(top) }));
  const sign = isDescending ? -1 : 1;
  rows.sort((a, b) => compare(a.key, b.key, sign) || (a.ticker < b.ticker ? -1 : 1));
  return rows.map(({ ticker }) => ticker);
}

/** What is missing comes last, whichever way round. */
function compare(a: string | number | null, b: string | number | null, sign: number): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  return a < b ? -sign : sign;
}

function size(text: string | null): number | null {
  return text === null ? null : Number(text);
}

function isSame(a: Question, b: Question): boolean {
  return (
    a.text === b.text && a.column === b.column && a.isDescending === b.isDescending && a.nowMs === b.nowMs
  );
}
