import type { ReactNode } from "react";
import { useConsole, useServerNow } from "../../feed/hooks";
import { isStale } from "../../model/trading";
import type { Pnl } from "../../protocol/messages";
import { duration } from "../../ui/format";

/** What is known of the account; struck through, with age and reason, while it may be another by now. */
export function Account({ children }: { readonly children: ReactNode }): ReactNode {
  const pnl = useConsole((state) => state.model.trading?.pnl);
  const isOfThePast = useConsole(({ model }) => model.trading !== null && isStale(model.trading));
  return (
    <div className="account" data-testid="account" data-stale={isOfThePast}>
      {isOfThePast && pnl !== undefined && <Doubt pnl={pnl} />}
      {children}
    </div>
  );
}

function Doubt({ pnl }: { readonly pnl: Pnl }): ReactNode {
  const nowMs = useServerNow();
  return (
    <p className="words doubt" data-testid="doubt">
      <b>? {howOld(pnl, nowMs)}</b> <span className="reason">{pnl.stale_reason}</span>
    </p>
  );
}

function howOld({ is_read, stale_since }: Pnl, nowMs: number): string {
  if (!is_read) return "account not read yet:";
  if (stale_since === null) return "account not agreed upon yet:";
  return `account stale for ${duration(nowMs - Date.parse(stale_since))}, what stands here is the last word:`;
}
