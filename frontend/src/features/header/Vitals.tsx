import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import { TOLD_MS } from "../../feed/slowness";
import { isStale } from "../../model/trading";
import { gain, MISSING } from "../../ui/format";
import { Known } from "../../ui/Known";
import { Num } from "../../ui/Num";
import { isOver } from "../../ui/signs";
import { StatusAge } from "./StatusAge";
import { Uptime } from "./Uptime";
import { Vital } from "./Vital";

/** How much flows, and how well this page keeps up with it. */
export function Vitals(): ReactNode {
  const metrics = useConsole((state) => state.model.trader?.metrics);
  const total = useConsole(({ model }) => model.trading?.pnl.total ?? null);
  const isOfThePast = useConsole(({ model }) => model.trading !== null && isStale(model.trading));
  const seq = useConsole(({ model }) => (model.isSynced ? model.seq : null));
  const lagMs = useConsole((state) => state.model.lagMs);
  const roundTripMs = useConsole((state) => state.roundTripMs);
  const longestMs = useConsole((state) => state.longestTaskMs);
  const dropped = useConsole(({ model }) => (model.isSynced ? model.dropped : null));
  return (
    <dl className="vitals">
      <Vital
        name="P&L"
        width={10}
        title="realised and unrealised profit together, fees taken off, as the trader reckons it"
      >
        <span className="account" data-stale={isOfThePast}>
          <Num value={total === null ? null : gain(total)} testId="profit" />
        </span>
      </Vital>
      <Vital name="markets" width={8} title="markets whose book is live, of those that are open">
        <Num value={metrics?.markets_connected} testId="market-count" />
        <Known>
          <OpenMarkets />
        </Known>
      </Vital>
      <Vital name="snaps" width={5} title="snapshots received">
        <Num value={metrics?.snapshots_received} testId="snapshot-count" />
      </Vital>
      <Vital name="deltas" width={9} title="deltas received">
        <Num value={metrics?.deltas_received} testId="delta-count" />
      </Vital>
      <Vital name="up" width={8} title="how long the trader has been running">
        <Uptime />
      </Vital>
      <Vital name="status" width={4} title="age of the last status">
        <StatusAge />
      </Vital>
      <Vital
        name="lag/rtt"
        width={9}
        title="lag of the trader's loop; a ping from this page to the trader and back"
      >
        <Num value={whole(lagMs)} testId="lag" />
        <span className="unit">/</span>
        <Num value={whole(roundTripMs)} unit="ms" testId="round-trip" />
      </Vital>
      <Vital
        name="page"
        width={6}
        title="longest time that this page was busy at a stretch, in the last minute"
      >
        <span data-testid="longest-task">{longestMs === null ? MISSING : busy(longestMs)}</span>
      </Vital>
      <Vital name="seq" width={6} title="number in the event log">
        <Num value={seq} testId="seq" />
      </Vital>
      <Vital
        name="gaps"
        width={3}
        title="gaps found in the market data"
        isAlarm={(metrics?.gaps_detected ?? 0) > 0}
      >
        <Num value={metrics?.gaps_detected} testId="gap-count" />
      </Vital>
      <Vital
        name="drops"
        width={3}
        title="messages that the trader had to drop for this page"
        isAlarm={(dropped ?? 0) > 0}
      >
        <Num value={dropped} testId="drop-count" />
      </Vital>
    </dl>
  );
}

function OpenMarkets(): ReactNode {
  const open = useConsole(({ model }) => {
    let count = 0;
    for (const top of model.markets.values()) if (!isOver(top)) count += 1;
    return count;
  });
  return <span className="unit"> of {open}</span>;
}

function busy(ms: number): string {
  return ms < TOLD_MS ? `<${TOLD_MS} ms` : `${Math.round(ms)} ms`;
}

/** Clocks and rounding may make it less than nothing, which is said as nothing. */
function whole(ms: number | null): number | null {
  return ms === null ? null : Math.max(0, Math.round(ms));
}
