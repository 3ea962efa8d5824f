import { expect, test } from "vitest";
import type { TreeNode } from "../../model/model";
import { TREE } from "../../testing/messages";
import { afterKey, flatten } from "./flatten";

const node = (name: string, ...children: readonly TreeNode[]): TreeNode => ({ ...TREE, name, children });
const ROWS = flatten(node("root", node("feed", node("a"), node("b")), node("c")));

test("each child comes after its supervisor, and knows its place", () => {
  expect(
    ROWS.map(({ node, depth, parent, place, siblings }) => [node.name, depth, parent, place, siblings]),
  ).toEqual([
    ["root", 0, null, 1, 1],
    ["feed", 1, "root", 1, 2],
    ["a", 2, "feed", 1, 2],
    ["b", 2, "feed", 2, 2],
    ["c", 1, "root", 2, 2],
  ]);
});

test.each([
  ["b", "ArrowDown", "c"],
  ["c", "ArrowDown", "c"],
  ["b", "ArrowUp", "a"],
  ["root", "ArrowUp", "root"],
  ["b", "ArrowLeft", "feed"],
  ["root", "ArrowLeft", "root"],
  ["feed", "ArrowRight", "a"],
  ["a", "ArrowRight", "a"],
  ["a", "Home", "root"],
  ["a", "End", "c"],
])("from %s, %s goes to %s", (from, key, to) => {
  const at = afterKey(
    ROWS,
    ROWS.findIndex(({ node }) => node.name === from),
    key,
  );

  expect(at === null ? null : ROWS[at]?.node.name).toBe(to);
});

test("any other key goes nowhere", () => {
  expect(afterKey(ROWS, 1, "x")).toBeNull();
});
