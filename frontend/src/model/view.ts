/** What the person has chosen to look at; all of it but the pause is in the address, so a link reproduces the view. */
import type { ConsoleLine } from "../protocol/messages";

export type Level = ConsoleLine["level"];
export type LineKind = "log" | "transition" | "actor" | "alert" | "risk" | "order" | "fill" | "command";
export type Tab = "events" | "orders" | "positions" | "decisions" | "risk";
/** How far back the events go. */
export type Span = "1m" | "5m" | "15m" | "1h" | "all";
export type TimeZone = "utc" | "local";

export const LEVELS: readonly Level[] = ["debug", "info", "warning", "error", "critical"];
export const LINE_KINDS: readonly LineKind[] = [
  "log",
  "transition",
  "actor",
  "alert",
  "risk",
  "order",
  "fill",
  "command",
];
export const TABS: readonly Tab[] = ["events", "orders", "positions", "decisions", "risk"];
export const SPANS: readonly Span[] = ["1m", "5m", "15m", "1h", "all"];
const TIME_ZONES: readonly TimeZone[] = ["utc", "local"];

export interface View {
  /** The market that the ladder shows; null: the first. */
  readonly market: string | null;
  readonly tab: Tab;
  /** Filters of the events; null: all. */
  readonly text: string;
  readonly level: Level;
  readonly source: string | null;
  readonly kind: LineKind | null;
  readonly span: Span;
  readonly tz: TimeZone;
  /** The number of the event log that is looked at; null: now. */
  readonly at: number | null;
}

export const DEFAULT_VIEW: View = {
  market: null,
  tab: "events",
  text: "",
  level: "debug",
  source: null,
  kind: null,
  span: "all",
  tz: "utc",
  at: null,
};

/** The view that an address asks for. What it does not say, or says in words we do not know, is the default. */
export function parseView(search: string): View {
  const query = new URLSearchParams(search);
  const oneOf = <T extends string>(name: string, known: readonly T[]) =>
    known.find((one) => one === query.get(name));
  return {
    market: query.get("market"),
    tab: oneOf("tab", TABS) ?? DEFAULT_VIEW.tab,
    text: query.get("q") ?? "",
    level: oneOf("level", LEVELS) ?? DEFAULT_VIEW.level,
    source: query.get("source"),
    kind: oneOf("kind", LINE_KINDS) ?? null,
    span: oneOf("span", SPANS) ?? DEFAULT_VIEW.span,
    tz: oneOf("tz", TIME_ZONES) ?? DEFAULT_VIEW.tz,
    at: wholeNumber(query.get("at")),
  };
}

/** The query that `parseView` reads back; empty for the default view. */
export function formatView(view: View): string {
  const asText = (value: string | number | null) => (value === null ? "" : String(value));
  const query = new URLSearchParams();
  for (const [name, member] of Object.entries(NAMES)) {
    if (view[member] !== DEFAULT_VIEW[member]) query.set(name, asText(view[member]));
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

const NAMES: Readonly<Record<string, keyof View>> = {
  at: "at",
  market: "market",
  level: "level",
  q: "text",
  source: "source",
  kind: "kind",
  span: "span",
  tab: "tab",
  tz: "tz",
};

function wholeNumber(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}
