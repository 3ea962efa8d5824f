import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import { Known } from "../../ui/Known";
import { Panel } from "../../ui/Panel";
import { Scroll } from "../../ui/Scroll";
import { Words } from "../../ui/Words";
import { ConsoleHealth } from "./ConsoleHealth";
import { Metric } from "./Metric";
import { METRICS } from "./rows";

export function MetricsPanel(): ReactNode {
  const metrics = useConsole((state) => state.model.trader?.metrics);
  return (
    <Panel
      title="Metrics"
      room="metrics"
      aside={
        <Known>
          <ConsoleHealth />
        </Known>
      }
    >
      <Scroll label="Metrics">
        {metrics === undefined ? (
          <Words connecting="Numbers come with the first answer of the trader." empty="No numbers yet." />
        ) : (
          <dl className="metrics">
            {METRICS.map((row) => (
              <Metric key={row.field} row={row} value={metrics[row.field]} />
            ))}
          </dl>
        )}
      </Scroll>
    </Panel>
  );
}
