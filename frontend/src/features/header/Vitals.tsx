import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import { Known } from "../../ui/Known";
import { Num } from "../../ui/Num";
import { isOver } from "../../ui/signs";
import { Uptime } from "./Uptime";
import { UtcClock } from "./UtcClock";

export function Vitals(): ReactNode {
  const metrics = useConsole((state) => state.model.trader?.metrics);
  const open = useConsole((state) => [...state.model.markets.values()].filter((top) => !isOver(top)).length);
  return (
    <dl className="vitals">
      <div>
        <dt>markets live</dt>
        <dd>
          <Num value={metrics?.markets_connected} testId="market-count" />
          <Known>
            <span className="unit"> of {open}</span>
          </Known>
        </dd>
      </div>
      <div>
        <dt>deltas</dt>
        <dd>
          <Num value={metrics?.deltas_received} testId="delta-count" />
        </dd>
      </div>
      <div>
        <dt>uptime</dt>
        <dd>
          <Uptime />
        </dd>
      </div>
      <div>
        <dt>UTC</dt>
        <dd>
          <UtcClock />
        </dd>
      </div>
    </dl>
  );
}
