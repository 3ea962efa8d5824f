/** A book as rungs of a ladder, the highest price first: bids for YES on the left, bids for NO as asks on the right. */
import type { MarketBook } from "../../protocol/messages";
import { complement, gridOf, type Lots, lotsOf, type Ticks, ticksOf } from "./prices";

type Levels = readonly (readonly string[])[];

export interface Side {
  readonly size: Lots;
  /** With all that stands at better prices. */
  readonly depth: Lots;
}

export interface Rung {
  readonly price: Ticks;
  readonly bid: Side | null;
  readonly ask: Side | null;
}

export interface LadderView {
  readonly rungs: readonly Rung[];
  readonly bestBid: Ticks | null;
  readonly bestAsk: Ticks | null;
  /** Null unless both sides are there. */
  readonly spread: Ticks | null;
  /** The best bid's share of the size at both best prices, 0 to 1; null unless both sides are there. */
  readonly imbalance: number | null;
  readonly sizeMax: Lots;
  readonly depthMax: Lots;
  /** The index of the rung between the sides, or of the best there is; null where there is neither. */
  readonly middle: number | null;
}

export function ladderOf({
  yes,
  no,
  price_ranges,
}: Pick<MarketBook, "yes" | "no" | "price_ranges">): LadderView {
  const bids = sideOf(yes, (price) => price);
  const asks = sideOf(no, complement);
  const prices = new Set([...gridOf(price_ranges ?? []), ...bids.keys(), ...asks.keys()]);
  const rungs = [...prices]
    .toSorted((a, b) => b - a)
    .map((price) => ({ price, bid: bids.get(price) ?? null, ask: asks.get(price) ?? null }));
  // The best comes last at the venue, and so first here.
  const bestBid = bids.keys().next().value ?? null;
  const bestAsk = asks.keys().next().value ?? null;
  const [bidSize, askSize] = [bids, asks].map((side) => side.values().next().value?.size);
  const sides = [...bids.values(), ...asks.values()];
  return {
    rungs,
    bestBid,
    bestAsk,
    spread: bestBid === null || bestAsk === null ? null : bestAsk - bestBid,
    imbalance: shareOf(bidSize, askSize),
    sizeMax: Math.max(0, ...sides.map(({ size }) => size)),
    depthMax: Math.max(0, ...sides.map(({ depth }) => depth)),
    middle: middleOf(rungs, bestBid, bestAsk),
  };
}

/** Levels by price, the best first. A level that cannot be read is left out. */
function sideOf(levels: Levels, place: (price: Ticks) => Ticks): ReadonlyMap<Ticks, Side> {
  const side = new Map<Ticks, Side>();
  let depth = 0;
  for (const [price = "", amount = ""] of levels.toReversed()) {
    const [ticks, size] = [ticksOf(price), lotsOf(amount)];
    if (ticks === null || size === null) continue;
    depth += size;
    side.set(place(ticks), { size, depth });
  }
  return side;
}

function shareOf(size: Lots | undefined, other: Lots | undefined): number | null {
  return size === undefined || other === undefined || size + other === 0 ? null : size / (size + other);
}

function middleOf(rungs: readonly Rung[], bid: Ticks | null, ask: Ticks | null): number | null {
  if (bid === null && ask === null) return null;
  const low = bid ?? ask ?? 0;
  const high = ask ?? bid ?? 0;
  const index = rungs.findIndex(({ price }) => price * 2 <= low + high);
  return index === -1 ? rungs.length - 1 : index;
}

/** How many rungs with something on them are not in sight, above and below. */
export function outOfSight(
  { rungs }: LadderView,
  [first, end]: readonly [number, number],
): { readonly above: number; readonly below: number } {
  const taken = (part: readonly Rung[]) => part.filter(({ bid, ask }) => bid !== null || ask !== null).length;
  return { above: taken(rungs.slice(0, first)), below: taken(rungs.slice(end)) };
}
