import { type ReactNode, useMemo } from "react";
import { useConsole, useServerNow } from "../../feed/hooks";
import { duration } from "../../ui/format";
import { Panel } from "../../ui/Panel";
import { Words } from "../../ui/Words";
import { DiagramView } from "./DiagramView";
import { layOut } from "./layout";

/** The machine as the server declares it, with where it is and how it got there. */
export function StateMachine(): ReactNode {
  const states = useConsole((state) => state.model.connection?.states);
  const trader = useConsole((state) => state.model.trader);
  const last = useConsole((state) => state.model.transitions.last);
  const diagram = useMemo(() => (states === undefined ? null : layOut(states)), [states]);
  return (
    <Panel
      title="State machine"
      room="state-machine"
      testId="state-machine"
      aside={trader !== null && <Dwell since={trader.since} />}
    >
      {diagram === null ? (
        <Words
          connecting="The trader's states are drawn from its own table, once it answers."
          empty="No states."
        />
      ) : (
        <DiagramView diagram={diagram} active={trader?.state} last={last} />
      )}
    </Panel>
  );
}

function Dwell({ since }: { readonly since: string }): ReactNode {
  const nowMs = useServerNow();
  return (
    <span>
      here for <span className="fact">{duration(nowMs - Date.parse(since))}</span>
    </span>
  );
}
