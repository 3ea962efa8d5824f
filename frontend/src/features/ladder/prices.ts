/**
 * Prices and sizes as the page works with them, only so far as to draw the ladder and name its facts: exact integers of
 * 1e-4 dollars (ticks) and of 0.01 contracts (lots). Profit, fees and risk come from the server.
 */
import type { PriceRange } from "../../protocol/messages";

/** 1e-4 dollars. */
export type Ticks = number;
/** 0.01 contracts. */
export type Lots = number;

export const DOLLAR: Ticks = 10_000;

export function ticksOf(price: string): Ticks | null {
  return scaled(price, 4);
}

export function lotsOf(size: string): Lots | null {
  return scaled(size, 2);
}

/** A bid for NO at this price is an ask for YES at what is left of a dollar. */
export function complement(ticks: Ticks): Ticks {
  return DOLLAR - ticks;
}

/** As the venue writes it: `0.4510`. */
export function priceText(ticks: Ticks): string {
  return `${Math.floor(ticks / DOLLAR)}.${String(ticks % DOLLAR).padStart(4, "0")}`;
}

/** As people say it: `45¢`, `45.1¢`. */
export function centsText(ticks: Ticks): string {
  const rest = String(ticks % 100).padStart(2, "0");
  const decimals = rest.replace(/0+$/, "");
  return `${Math.floor(ticks / 100)}${decimals === "" ? "" : `.${decimals}`}¢`;
}

/** As the venue writes it: `120.00`. */
export function sizeText(lots: Lots): string {
  return `${Math.floor(lots / 100)}.${String(lots % 100).padStart(2, "0")}`;
}

/** Every price at which the market can trade, ascending: whole cents, tenths of them, or both. */
export function gridOf(ranges: readonly PriceRange[]): readonly Ticks[] {
  const prices = new Set<Ticks>();
  for (const { start, end, step } of ranges) {
    const [from, to, by] = [ticksOf(start), ticksOf(end), ticksOf(step)];
    if (from === null || to === null || by === null || by === 0) continue;
    for (let price = from; price <= Math.min(to, DOLLAR); price += by) {
      if (price > 0 && price < DOLLAR) prices.add(price);
    }
  }
  return [...prices].toSorted((a, b) => a - b);
}

/** A decimal as a whole number of its smallest part; null where the text is none or is finer than that. */
function scaled(text: string, decimals: number): number | null {
  const [, whole, fraction = ""] = /^(\d{1,12})(?:\.(\d+))?$/.exec(text) ?? [];
  if (whole === undefined || /[1-9]/.test(fraction.slice(decimals))) return null;
  return Number(whole + fraction.slice(0, decimals).padEnd(decimals, "0"));
}
