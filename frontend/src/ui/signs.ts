/** Glyph and word for everything that also has a colour, because colour is never the only sign. */
import type { LinkWord } from "../feed/link";
import type { ConsoleLine, MarketTop, Metrics, Risk } from "../protocol/messages";

export const LINK_GLYPH: Readonly<Record<LinkWord, string>> = {
  live: "●",
  connecting: "◌",
  silent: "◐",
  down: "✕",
  paused: "❚❚",
  past: "⟲",
};

export const MODE_GLYPH: Readonly<Record<Risk["mode"], string>> = {
  active: "▶",
  reducing: "❚❚",
  halted: "■",
};

export const LEVEL_GLYPH: Readonly<Record<ConsoleLine["level"], string>> = {
  debug: "·",
  info: " ",
  warning: "▲",
  error: "✕",
  critical: "■",
};

export const HEALTH_GLYPH: Readonly<Record<Metrics["health"], string>> = {
  healthy: "✓",
  degraded: "▲",
  unhealthy: "✕",
};

export const BOOK_GLYPH: Readonly<Record<MarketTop["book_state"], string>> = {
  live: "●",
  syncing: "◌",
  stale: "┄",
};

const OVER: ReadonlySet<string> = new Set(["closed", "determined", "disputed", "amended", "finalized"]);

/** Whether the market takes no orders any more, so that its last book is history and no trouble. */
export function isOver({ book_state, market_status }: MarketTop): boolean {
  return book_state !== "live" && market_status !== null && OVER.has(market_status);
}

const ACTOR_GLYPH: ReadonlyMap<string, string> = new Map([
  ["running", "●"],
  ["starting", "◌"],
  ["backoff", "↻"],
  ["stopped", "○"],
  ["failed", "✕"],
]);

export function actorGlyph(status: string): string {
  return ACTOR_GLYPH.get(status) ?? "?";
}

export type Tone = "good" | "busy" | "bad" | "off";

const TONES: ReadonlyMap<string, Tone> = new Map([
  ["ready", "good"],
  ["trading_ready", "good"],
  ["acting", "good"],
  ["error", "bad"],
  ["shutdown", "off"],
]);

/** How a state looks; one that this page does not know looks busy. */
export function stateTone(state: string): Tone {
  return TONES.get(state) ?? "busy";
}
