import { type ReactNode, useMemo } from "react";
import { useConsole } from "../../feed/hooks";
import { Num } from "../../ui/Num";
import { Panel } from "../../ui/Panel";
import { Words } from "../../ui/Words";
import { Chart, type Curve } from "./Chart";
import { ratesOf } from "./rates";
import { Stage } from "./Stage";

const CURVES: readonly Curve[] = [
  { label: "messages", colour: "--good", dash: [], axis: "left" },
  { label: "deltas", colour: "--busy", dash: [5, 4], axis: "left" },
  { label: "KiB", colour: "--ink-dim", dash: [1.5, 3], axis: "right" },
];
const TITLE =
  "messages and book deltas that the trader takes in a second; KiB that this page receives a second (right axis), before compression";

/** How much comes in, and how long it takes to be known. */
export function Throughput(): ReactNode {
  const series = useConsole((state) => state.model.series);
  const latency = useConsole((state) => state.model.latency);
  const tz = useConsole((state) => state.view.tz);
  const columns = useMemo(() => ratesOf(series), [series]);
  const [, messages, deltas, kib] = columns;
  const stages = Object.entries(latency?.stages ?? {});
  return (
    <Panel
      title="Throughput & latency"
      room="latency"
      testId="throughput"
      aside={
        <span className="rates" title={TITLE}>
          <span className="key-solid" aria-hidden="true" />
          <Num value={perSecond(messages?.at(-1))} unit="msg" />
          <span className="key-dashed" aria-hidden="true" />
          <Num value={perSecond(deltas?.at(-1))} unit="Δ" />
          <span className="key-dotted" aria-hidden="true" />
          <Num value={perSecond(kib?.at(-1))} unit="KiB" testId="received-rate" />
          <span className="unit">/s</span>
        </span>
      }
    >
      {series.length === 0 && stages.length === 0 ? (
        <Words
          connecting="It is measured from the first answer of the trader on."
          empty="Nothing measured yet."
        />
      ) : (
        <div className="throughput">
          <Chart
            label="Messages, deltas and KiB a second, the last five minutes"
            columns={columns}
            curves={CURVES}
            tz={tz}
          />
          <div className="stages">
            {stages.map(([name, stage]) => (
              <Stage key={name} name={name} stage={stage} />
            ))}
            {stages.length === 0 && <p className="words">No stage measured yet.</p>}
          </div>
        </div>
      )}
    </Panel>
  );
}

function perSecond(rate: number | null | undefined): string | null {
  return rate == null ? null : rate.toFixed(0);
}
