import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import type { Refusal } from "../../protocol/messages";
import { Num } from "../../ui/Num";
import { Scroll } from "../../ui/Scroll";
import { Time } from "../../ui/Time";
import { Words } from "../../ui/Words";

const REFUSER: Readonly<Record<Refusal["by"], string>> = {
  risk: "our risk",
  gateway: "our gateway",
  venue: "Kalshi",
};

/** What the strategy does, or in a sentence why not; then every refusal by its rule, with the latest example. */
export function Decisions(): ReactNode {
  const decision = useConsole((state) => state.model.trading?.decision);
  if (decision === undefined) {
    return (
      <Words
        connecting="Nothing known yet: the trader has not answered."
        empty="Nothing known of decisions."
      />
    );
  }
  const { stage, why, strategy, calibrated, decided, refusals } = decision;
  return (
    <Scroll label="Decisions and refusals">
      <dl className="facts" data-testid="decision" data-stage={stage}>
        <dt>strategy</dt>
        <dd>
          <Num value={strategy} />
        </dd>
        <dt>stage</dt>
        <dd>
          <Num value={stage} testId="stage" />
          {why !== null && <span className="reason"> {why}</span>}
        </dd>
        <dt>reconciled</dt>
        <dd>{calibrated === null ? <Num value={null} /> : <Time at={calibrated} />}</dd>
        <dt>last decision</dt>
        <dd>{decided === null ? <Num value={null} /> : <Time at={decided} />}</dd>
      </dl>
      {refusals.length === 0 ? (
        <p className="words">✓ Nothing was refused.</p>
      ) : (
        <Refusals refusals={refusals} />
      )}
    </Scroll>
  );
}

function Refusals({ refusals }: { readonly refusals: readonly Refusal[] }): ReactNode {
  return (
    <ol className="journal" aria-label="Refused orders">
      {refusals.map(({ rule, why, ticker, strategy, by, times, timestamp }) => (
        <li key={`${rule} ${ticker} ${strategy} ${timestamp}`} data-testid="refusal" data-rule={rule}>
          <Time at={timestamp} /> <b>✕ {rule}</b> {times > 1 && `×${times} `}
          {ticker} ({strategy}, by {REFUSER[by]}): {why}
        </li>
      ))}
    </ol>
  );
}
