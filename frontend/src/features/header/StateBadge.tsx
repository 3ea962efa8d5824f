import type { ReactNode } from "react";
import { useConsole, useServerNow } from "../../feed/hooks";
import { duration, MISSING } from "../../ui/format";
import { stateTone } from "../../ui/signs";

export function StateBadge(): ReactNode {
  const trader = useConsole((state) => state.model.trader);
  const state = trader?.state;
  return (
    <span className="state">
      <strong className="state-badge fact" data-testid="state" data-tone={stateTone(state ?? "")}>
        {state ?? MISSING}
      </strong>
      {trader !== null && <TimeInState since={trader.since} />}
    </span>
  );
}

function TimeInState({ since }: { readonly since: string }): ReactNode {
  const nowMs = useServerNow();
  return (
    <span className="fact time-in-state" title={`since ${since}`}>
      {duration(nowMs - Date.parse(since))}
    </span>
  );
}
