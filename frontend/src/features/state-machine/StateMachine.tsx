import { type ReactNode, useMemo } from "react";
import { useConsole, useServerNow } from "../../feed/hooks";
import { staysOf } from "../../model/stays";
import { duration } from "../../ui/format";
import { Panel } from "../../ui/Panel";
import { Words } from "../../ui/Words";
import { DiagramView } from "./DiagramView";
import { layOut } from "./layout";

interface Props {
  /** How it got there, and the way back through it. */
  readonly children: ReactNode;
}

/** The machine as the server declares it, with where it is and how it got there. */
export function StateMachine({ children }: Props): ReactNode {
  const states = useConsole((state) => state.model.connection?.states);
  const trader = useConsole((state) => state.model.trader);
  const transitions = useConsole((state) => state.model.transitions);
  const diagram = useMemo(() => (states === undefined ? null : layOut(states)), [states]);
  const stays = useMemo(() => staysOf(transitions), [transitions]);
  return (
    <Panel
      title="State machine"
      room="state-machine"
      testId="state-machine"
      aside={trader !== null && <Stay since={trader.since} />}
    >
      <div className="machine">
        <div className="machine-diagram">
          {diagram === null ? (
            <Words
              connecting="The trader's states are drawn from its own table, once it answers."
              empty="The trader declares no states."
            />
          ) : (
            <>
              <p className="machine-columns" aria-hidden="true">
                <span>entered</span>
                <span>median</span>
              </p>
              <DiagramView diagram={diagram} active={trader?.state} last={transitions.last} stays={stays} />
            </>
          )}
        </div>
        {children}
      </div>
    </Panel>
  );
}

function Stay({ since }: { readonly since: string }): ReactNode {
  const nowMs = useServerNow();
  return (
    <span>
      here for <span className="fact dwell">{duration(nowMs - Date.parse(since))}</span>
    </span>
  );
}
