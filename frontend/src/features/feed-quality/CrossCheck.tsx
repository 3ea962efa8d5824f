import type { ReactNode } from "react";
import type { CrossCheckReport } from "../../protocol/messages";
import { Num } from "../../ui/Num";
import { checkWords, scoreWords } from "./words";

/** How often a book that was read by REST agreed with the one that was built from deltas. */
export function CrossCheck({ check }: { readonly check: CrossCheckReport | null }): ReactNode {
  if (check === null) {
    return <p className="words none-yet">No book has been compared with a second source yet.</p>;
  }
  const { score, checked, disagreed, inconclusive } = check;
  return (
    <dl className="facts" data-testid="cross-check">
      <dt>cross-check</dt>
      <dd>
        <Num value={scoreWords(score)} />
        <span className="unit">
          {" "}
          of {checked} agreed, {inconclusive} inconclusive,{" "}
          <span data-alarm={disagreed > 0}>{disagreed} disagreed</span>
        </span>
        <span className="last-check" title={checkWords(check)}>
          {checkWords(check)}
        </span>
      </dd>
    </dl>
  );
}
