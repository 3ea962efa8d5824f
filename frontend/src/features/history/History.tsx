import type { ReactNode } from "react";
import { useConsole, useStore } from "../../feed/hooks";
import { transitionText } from "../../model/lines";
import { CopyButton } from "../../ui/CopyButton";
import { Known } from "../../ui/Known";
import { Scroll } from "../../ui/Scroll";
import { Words } from "../../ui/Words";
import { TransitionRow } from "./TransitionRow";

const ROWS_MAX = 100;

/** Every change of state, newest first, with its reason, how long the state before had lasted, and the way there. */
export function History(): ReactNode {
  const transitions = useConsole((state) => state.model.transitions);
  const at = useConsole((state) => state.view.at);
  const store = useStore();
  const newest = transitions.slice(-ROWS_MAX - 1).reverse();
  const shown = newest.slice(0, ROWS_MAX);
  const text = () => shown.toReversed().map(transitionText).join("\n");
  const total = transitions.length;
  return (
    <section className="history" aria-label="Transitions">
      <header className="history-head">
        <h3>Transitions</h3>
        <Known>
          <span className="fact">{total > ROWS_MAX ? `newest ${ROWS_MAX} of ${total}` : total}</span>
        </Known>
        <CopyButton label="copy the transitions as text" text={text} />
      </header>
      <Scroll label="Transitions, newest first">
        {total === 0 && (
          <Words
            connecting="Its history comes with the first answer of the trader."
            empty="No change of state yet."
          />
        )}
        <ol className="transitions">
          {shown.map((transition, index) => (
            <TransitionRow
              key={`${transition.timestamp} ${transition.from_state} ${transition.to_state}`}
              transition={transition}
              before={newest[index + 1]}
              isShown={transition.seq !== null && transition.seq === at}
              onGo={(seq) => store.setView({ at: seq })}
            />
          ))}
        </ol>
      </Scroll>
    </section>
  );
}
