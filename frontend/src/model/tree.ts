/** One node of the supervision tree changed; every other keeps its identity. */
import type { Actor, MailboxReport } from "../protocol/messages";
import type { TreeNode } from "./model";

export function withActor(root: TreeNode, actor: Actor): TreeNode {
  const { status, restarts, last_error, timestamp: since } = actor;
  return withNode(root, actor.name, (node) => ({ ...node, status, restarts, last_error, since }));
}

export function withMailbox(root: TreeNode, name: string, mailbox: MailboxReport): TreeNode {
  return withNode(root, name, (node) => ({ ...node, mailbox }));
}

/** The same tree if it has no such node. */
function withNode(node: TreeNode, name: string, change: (node: TreeNode) => TreeNode): TreeNode {
  if (node.name === name) return change(node);
  for (const [index, child] of node.children.entries()) {
    const changed = withNode(child, name, change);
    if (changed !== child) return { ...node, children: node.children.with(index, changed) };
  }
  return node;
}
