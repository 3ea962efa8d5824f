/** What the reports on the feed mean, in words; each with a glyph where it also has a colour. */
import type {
  ConnectionReport,
  CrossCheckReport,
  ExchangeReport,
  GapReport,
  RestReport,
} from "../../protocol/messages";
import { count, lapse } from "../../ui/format";

export const CONNECTION_GLYPH: Readonly<Record<ConnectionReport["link"], string>> = {
  connected: "●",
  connecting: "◌",
  disconnected: "✕",
};

export const BREAKER_GLYPH: Readonly<Record<RestReport["breaker"], string>> = {
  closed: "●",
  half_open: "◐",
  open: "✕",
};

/** What a circuit breaker's word means to somebody who does not know electricity. */
export const BREAKER_WORD: Readonly<Record<RestReport["breaker"], string>> = {
  closed: "requests go out",
  half_open: "one request tries",
  open: "no request goes out",
};

export function gapWords({ what, missing, books, how, stale_ms }: GapReport): string {
  const lost = missing > 0 ? `${count(missing)} missing, ` : "";
  const repair = how === null || stale_ms === null ? "repair under way" : `${how} after ${lapse(stale_ms)}`;
  return `${what}: ${lost}${count(books)} ${books === 1 ? "book" : "books"} stale, ${repair}`;
}

export function checkWords({ last_ticker, last_outcome, last_reason }: CrossCheckReport): string {
  if (last_outcome === null) return "no book has been compared yet";
  return `last: ${last_outcome}${last_ticker === null ? "" : ` ${last_ticker}`}${last_reason === "" ? "" : ` (${last_reason})`}`;
}

/** From 0 to 1 as a percentage that never rounds up to all. */
export function scoreWords(score: number | null): string | null {
  return score === null ? null : `${(Math.floor(score * 1000) / 10).toFixed(1)} %`;
}

export function exchangeWords({ exchange_active, trading_active, sentence }: ExchangeReport): string {
  if (sentence !== null) return sentence;
  if (exchange_active === null) return "Whether the exchange is open is not known yet.";
  return exchange_active && trading_active ? "The exchange is open for trading." : "The exchange is closed.";
}
