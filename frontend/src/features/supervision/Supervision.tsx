import { type ReactNode, useMemo } from "react";
import { useConsole } from "../../feed/hooks";
import { Panel } from "../../ui/Panel";
import { Scroll } from "../../ui/Scroll";
import { Words } from "../../ui/Words";
import { ActorRow } from "./ActorRow";
import { flatten } from "./flatten";

/** Who is alive, who restarts whom, and what waits in front of each. */
export function Supervision(): ReactNode {
  const tree = useConsole((state) => state.model.tree);
  const rows = useMemo(() => (tree === null ? [] : flatten(tree)), [tree]);
  const running = rows.filter(({ node }) => node.status === "running").length;
  return (
    <Panel
      title="Supervision"
      room="supervision"
      aside={
        rows.length > 0 && (
          <span className="fact">
            {running} of {rows.length} running
          </span>
        )
      }
    >
      <Scroll label="Supervision tree">
        {rows.length === 0 ? (
          <Words
            connecting="The tree of actors comes with the first answer of the trader."
            empty="No actors."
          />
        ) : (
          <table className="actors">
            <thead>
              <tr>
                <th scope="col">actor</th>
                <th scope="col" className="status">
                  status
                </th>
                <th scope="col" className="number restarts">
                  restarts
                </th>
                <th scope="col" className="number mailbox-cell">
                  mailbox
                </th>
                <th scope="col" className="number dropped">
                  dropped
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ node, depth }) => (
                <ActorRow key={node.name} node={node} depth={depth} />
              ))}
            </tbody>
          </table>
        )}
      </Scroll>
    </Panel>
  );
}
