/** How a supervisor restarts, in the words of its strategy, and what of its budget is used. */
import type { TreeNode } from "../../model/model";

export function policyWords({ strategy, budget }: Pick<TreeNode, "strategy" | "budget">): string {
  const used = budget == null || budget.used === 0 ? "" : `↻${budget.used}/${budget.most}`;
  return [strategy ?? "", used].filter((word) => word !== "").join(" ");
}

/** The whole budget as a sentence; empty for a worker, which has none. */
export function budgetWords({ budget }: Pick<TreeNode, "budget">): string {
  return budget == null
    ? ""
    : `${budget.used} of ${budget.most} restarts used in the last ${budget.period_s} s; one more than all, and it gives up`;
}
