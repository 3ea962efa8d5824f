import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import { MISSING } from "../../ui/format";
import { MODE_GLYPH } from "../../ui/signs";

/** Whether trading is allowed, and who last decided that. */
export function TradingMode(): ReactNode {
  const risk = useConsole((state) => state.model.risk);
  const title =
    risk === null ? undefined : `by ${risk.by} since ${risk.since}: ${risk.reason || "no reason given"}`;
  return (
    <span className="mode fact" data-testid="mode" data-mode={risk?.mode} title={title}>
      <span className="unit">trading </span>
      {risk === null ? MISSING : `${MODE_GLYPH[risk.mode]} ${risk.mode}`}
    </span>
  );
}
