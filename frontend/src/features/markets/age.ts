/** How a market stands: quiet is not dead, and closed is no trouble. A word, its glyph and a class each. */
import type { MarketTop } from "../../protocol/messages";
import { duration } from "../../ui/format";
import { BOOK_GLYPH, isOver } from "../../ui/signs";

/** Longer than this without an update is quiet, as long as the book is live. */
const QUIET_MS = 5_000;

export interface Standing {
  readonly age: "fresh" | "quiet" | "stale" | "syncing" | "over";
  readonly glyph: string;
  readonly word: string;
  /** How long ago the book last changed; null while it is fresh, so that a busy row does not change each second. */
  readonly since: string | null;
}

export function standingOf(top: MarketTop, nowMs: number): Standing {
  const { book_state, market_status, last_update } = top;
  const ageMs = last_update === null ? null : nowMs - Date.parse(last_update);
  const since = ageMs === null || ageMs < QUIET_MS ? null : duration(ageMs);
  if (isOver(top)) return { age: "over", glyph: "■", word: market_status ?? "closed", since };
  if (book_state !== "live")
    return { age: book_state, glyph: BOOK_GLYPH[book_state], word: book_state, since };
  return since === null
    ? { age: "fresh", glyph: BOOK_GLYPH.live, word: "fresh", since }
    : { age: "quiet", glyph: "○", word: "quiet", since };
}
