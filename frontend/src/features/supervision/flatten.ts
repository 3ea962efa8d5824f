import type { TreeNode } from "../../model/model";

export interface Row {
  readonly node: TreeNode;
  readonly depth: number;
}

/** The tree as rows, each child after its supervisor. */
export function flatten(node: TreeNode, depth = 0): readonly Row[] {
  return [{ node, depth }, ...node.children.flatMap((child) => flatten(child, depth + 1))];
}
