import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import { Num } from "../../ui/Num";
import { Panel } from "../../ui/Panel";
import { Scroll } from "../../ui/Scroll";
import { Words } from "../../ui/Words";
import { curveOf } from "./curves";
import { Metric } from "./Metric";
import { METRICS } from "./rows";

export function MetricsPanel(): ReactNode {
  const metrics = useConsole((state) => state.model.trader?.metrics);
  const rejected = useConsole((state) => state.rejected);
  const series = useConsole((state) => state.model.series);
  return (
    <Panel
      title="Metrics"
      room="metrics"
      aside={
        rejected > 0 && (
          <span data-alarm="true">
            this page could not read <Num value={rejected} unit="messages" testId="rejected" />
          </span>
        )
      }
    >
      <Scroll label="Metrics">
        {metrics === undefined ? (
          <Words connecting="Numbers come with the first answer of the trader." empty="No numbers yet." />
        ) : (
          <dl className="metrics">
            {METRICS.map((row) => (
              <Metric
                key={row.field}
                row={row}
                value={metrics[row.field]}
                curve={curveOf(row.field, series)}
              />
            ))}
          </dl>
        )}
      </Scroll>
    </Panel>
  );
}
