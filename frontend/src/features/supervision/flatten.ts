import type { TreeNode } from "../../model/model";

export interface Row {
  readonly node: TreeNode;
  readonly depth: number;
  /** Null for the root. */
  readonly parent: string | null;
  /** Its place among those of the same supervisor, from 1, and how many they are. */
  readonly place: number;
  readonly siblings: number;
}

/** The tree as rows, each child after its supervisor. */
export function flatten(root: TreeNode): readonly Row[] {
  return rowsOf({ node: root, depth: 0, parent: null, place: 1, siblings: 1 });
}

function rowsOf(row: Row): readonly Row[] {
  const { node, depth } = row;
  const children = node.children.map((child, index) => ({
    node: child,
    depth: depth + 1,
    parent: node.name,
    place: index + 1,
    siblings: node.children.length,
  }));
  return [row, ...children.flatMap(rowsOf)];
}

/** Where a key goes from the row at `index`, as in any tree: to a neighbour, to the supervisor, to its first child. */
export function afterKey(rows: readonly Row[], index: number, key: string): number | null {
  const row = rows[index];
  const next = rows[index + 1];
  switch (key) {
    case "ArrowDown":
      return Math.min(rows.length - 1, index + 1);
    case "ArrowUp":
      return Math.max(0, index - 1);
    case "Home":
      return 0;
    case "End":
      return rows.length - 1;
    case "ArrowLeft":
      return row?.parent == null ? index : rows.findIndex(({ node }) => node.name === row.parent);
    case "ArrowRight":
      return next !== undefined && next.parent === row?.node.name ? index + 1 : index;
    default:
      return null;
  }
}
