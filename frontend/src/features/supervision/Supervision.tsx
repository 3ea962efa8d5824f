import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import type { TreeNode } from "../../model/model";
import { Panel } from "../../ui/Panel";
import { Words } from "../../ui/Words";
import { flatten } from "./flatten";
import { Tree } from "./Tree";

/** Who is alive, who restarts whom, and what waits in front of each. */
export function Supervision(): ReactNode {
  const tree = useConsole((state) => state.model.tree);
  return (
    <Panel title="Supervision" room="supervision" aside={tree !== null && <Summary tree={tree} />}>
      {tree === null ? (
        <Words
          connecting="The tree of actors comes with the first answer of the trader."
          empty="No actors."
        />
      ) : (
        <Tree root={tree} />
      )}
    </Panel>
  );
}

function Summary({ tree }: { readonly tree: TreeNode }): ReactNode {
  const nodes = flatten(tree).map(({ node }) => node);
  const running = nodes.filter(({ status }) => status === "running").length;
  const restarts = nodes.reduce((sum, node) => sum + node.restarts, 0);
  return (
    <span className="fact">
      {running} of {nodes.length} running{restarts > 0 && ` · ↻${restarts}`}
    </span>
  );
}
