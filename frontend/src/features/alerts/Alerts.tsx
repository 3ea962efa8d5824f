import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import { Known } from "../../ui/Known";
import { Panel } from "../../ui/Panel";
import { Scroll } from "../../ui/Scroll";
import { Words } from "../../ui/Words";
import { AlertRow, type Trouble } from "./AlertRow";
import { troubles } from "./troubles";

/** All that a person should look at now: active alerts (health reasons among them), warnings about the set-up. */
export function Alerts(): ReactNode {
  const alerts = useConsole((state) => state.model.alerts);
  const warnings = useConsole((state) => state.model.warnings);
  const rows: readonly Trouble[] = troubles(alerts, warnings);
  return (
    <Panel
      title="Alarms"
      room="alerts"
      aside={
        <Known>
          <span className="fact">{rows.length}</span>
        </Known>
      }
    >
      <Scroll label="Alarms">
        {rows.length === 0 ? (
          <Words
            connecting="Nothing known yet, neither good nor bad."
            empty="✓ No alarm, and no reason for one."
          />
        ) : (
          <ul className="alerts">
            {rows.map((row) => (
              <AlertRow key={row.id} row={row} />
            ))}
          </ul>
        )}
      </Scroll>
    </Panel>
  );
}
