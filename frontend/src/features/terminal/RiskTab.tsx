import type { ReactNode } from "react";
import { useConsole, useServerNow } from "../../feed/hooks";
import type { Risk } from "../../protocol/messages";
import { duration } from "../../ui/format";
import { Num } from "../../ui/Num";
import { Words } from "../../ui/Words";
import { Limits } from "../trading/Limits";

const MODES: Readonly<Record<Risk["mode"], { readonly glyph: string; readonly meaning: string }>> = {
  active: { glyph: "●", meaning: "everything is allowed" },
  reducing: { glyph: "❚❚", meaning: "entries are paused: positions may shrink, none may grow" },
  halted: { glyph: "■", meaning: "halted: no new order is sent, and what rests is cancelled" },
};

/** What trading is allowed to do, and who said so; and each limit with how much of it is used. */
export function RiskTab(): ReactNode {
  const risk = useConsole((state) => state.model.risk);
  if (risk === null) {
    return (
      <Words connecting="Nothing known yet: the trader has not answered." empty="Nothing known of risk." />
    );
  }
  return (
    <div className="scroll">
      <dl className="facts risk" data-testid="risk" data-mode={risk.mode}>
        <dt>trading may</dt>
        <dd>
          <span className="fact risk-mode">
            <span aria-hidden="true">{MODES[risk.mode].glyph}</span> {risk.mode}
          </span>{" "}
          <span className="unit">{MODES[risk.mode].meaning}</span>
        </dd>
        <dt>since</dt>
        <dd>
          <Since since={risk.since} />
        </dd>
        <dt>said by</dt>
        <dd>
          <Num value={risk.by} />
        </dd>
        <dt>reason</dt>
        <dd>
          <Num value={risk.reason} />
        </dd>
        <dt>resting orders</dt>
        <dd>
          <Num value={risk.resting_orders} />
        </dd>
      </dl>
      <Limits />
      <p className="words">The halt and the pause hold over a restart; only resuming ends them.</p>
    </div>
  );
}

function Since({ since }: { readonly since: string }): ReactNode {
  const nowMs = useServerNow();
  return <Num value={`${since} (${duration(nowMs - Date.parse(since))} ago)`} />;
}
