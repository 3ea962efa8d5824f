import { expect, test } from "vitest";
import { Ring } from "./ring";

const fill = (cap: number, count: number) =>
  Array.from({ length: count }, (_, index) => index).reduce(
    (ring, item) => ring.append(item),
    Ring.of<number>(cap),
  );

test.each([0, 1, 3, 4, 7, 8, 9, 100])("after %i items it holds the newest, as an array would", (count) => {
  const ring = fill(4, count);
  const expected = Array.from({ length: count }, (_, index) => index).slice(-4);

  expect(ring.slice()).toEqual(expected);
  expect(ring.length).toBe(expected.length);
  expect(ring.last).toBe(expected.at(-1));
  expect(ring.total).toBe(count);
});

test("an older window stays as it was, whatever is appended after it", () => {
  const old = fill(4, 3);
  const held = old.slice();
  let newest = old;
  for (let item = 100; item < 150; item++) newest = newest.append(item);
  const fork = old.append(7);

  expect(old.slice()).toEqual(held);
  expect(fork.slice()).toEqual([...held, 7]);
  expect(newest.slice()).toEqual([146, 147, 148, 149]);
});

test("what came since an earlier window", () => {
  const old = fill(4, 3);
  const next = old.append(7).append(8);

  expect(next.since(old)).toEqual([7, 8]);
  expect(next.since(undefined)).toEqual(next.slice());
  expect(next.continues(old)).toBe(true);
  expect(old.continues(next)).toBe(false);
  expect(Ring.of(4, [1, 2, 3, 4]).continues(old)).toBe(false);
});
