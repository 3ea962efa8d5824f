import { expect, test } from "vitest";
import type { MarketBook } from "../../protocol/messages";
import { book } from "../../testing/messages";
import { createHeat, heatClass } from "./heat";
import { ladderOf, outOfSight } from "./rungs";

test("bids for YES stand left, bids for NO as asks at what is left of the dollar; the highest price is first", () => {
  const { rungs, bestBid, bestAsk, spread } = ladderOf(book());
  const taken = rungs.filter(({ bid, ask }) => bid !== null || ask !== null);

  expect(rungs.length).toBe(99);
  expect(rungs[0]?.price).toBe(9_900);
  expect(taken.map(({ price, bid, ask }) => [price, bid?.size ?? null, ask?.size ?? null])).toEqual([
    [5_000, null, 1_000],
    [4_900, null, 4_200],
    [4_500, 12_000, null],
    [4_400, 8_000, null],
  ]);
  expect([bestBid, bestAsk, spread]).toEqual([4_500, 4_900, 400]);
});

test("imbalance is the best bid's share of the size at both best prices, and nothing where one is missing", () => {
  const imbalance = (change: Partial<MarketBook>) => ladderOf(book(change)).imbalance;

  expect(imbalance({})).toBe(12_000 / 16_200);
  expect(imbalance({ yes: [["0.4500", "42.00"]] })).toBe(0.5);
  expect(imbalance({ yes: [] })).toBeNull();
  expect(imbalance({ no: [] })).toBeNull();
});

test("depth counts from the best price outwards", () => {
  const { rungs, sizeMax, depthMax } = ladderOf(book());
  const at = (price: number) => rungs.find((rung) => rung.price === price);

  expect(at(4_500)?.bid?.depth).toBe(12_000);
  expect(at(4_400)?.bid?.depth).toBe(20_000);
  expect(at(5_000)?.ask?.depth).toBe(5_200);
  expect([sizeMax, depthMax]).toEqual([12_000, 20_000]);
});

test("without a grid the rows are the levels there are", () => {
  expect(ladderOf(book({ price_ranges: null })).rungs.map(({ price }) => price)).toEqual([
    5_000, 4_900, 4_500, 4_400,
  ]);
});

test("a level off the grid has its row all the same", () => {
  const odd = book({ yes: [["0.4512", "1.00"]] });

  expect(ladderOf(odd).rungs.find(({ price }) => price === 4_512)?.bid?.size).toBe(100);
});

test("the middle is between the sides, or at the only one", () => {
  const middle = (change: Parameters<typeof book>[0]) => {
    const ladder = ladderOf(book(change));
    return ladder.middle === null ? null : ladder.rungs[ladder.middle]?.price;
  };

  expect(middle({})).toBe(4_700);
  expect(middle({ no: [] })).toBe(4_500);
  expect(middle({ yes: [] })).toBe(4_900);
  expect(middle({ yes: [], no: [] })).toBeNull();
});

test("what is out of sight is counted above and below", () => {
  const ladder = ladderOf(book());
  const place = (price: number) => ladder.rungs.findIndex((rung) => rung.price === price);

  expect(outOfSight(ladder, [place(4_900), place(4_500)])).toEqual({ above: 1, below: 2 });
});

test("a level is hot from its change on; one that went too; another market begins cold", () => {
  const heatOf = createHeat();
  heatOf(book());
  const later = "2026-11-22T10:30:05.000Z";
  const no = book().no.slice(1);
  const heat = heatOf(
    book({
      yes: [
        ["0.4400", "80.00"],
        ["0.4500", "121.00"],
      ],
      no,
      last_update: later,
    }),
  );
  const atMs = Date.parse(later);

  expect([...heat]).toEqual([
    [4_500, atMs],
    [5_000, atMs],
  ]);
  expect([0, 2_000, 5_000, 11_000].map((ageMs) => heatClass(atMs, atMs + ageMs))).toEqual([3, 2, 1, 0]);
  expect(heatOf(book({ ticker: "OTHER" })).size).toBe(0);
});
