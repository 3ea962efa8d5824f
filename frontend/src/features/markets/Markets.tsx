import { type ReactNode, useCallback, useState } from "react";
import { useConsole, useStore } from "../../feed/hooks";
import { chosenMarket } from "../../feed/store";
import type { MarketTop } from "../../protocol/messages";
import { Known } from "../../ui/Known";
import { Panel } from "../../ui/Panel";
import { isOver } from "../../ui/signs";
import { Words } from "../../ui/Words";
import { MarketTable } from "./MarketTable";

/** The best of every book, and whether it may be believed. The chosen one's ladder stands beside. */
export function Markets(): ReactNode {
  const store = useStore();
  const markets = useConsole((state) => state.model.markets);
  const chosen = useConsole(chosenMarket);
  const [text, setText] = useState("");
  const choose = useCallback((market: string) => store.setView({ market }), [store]);
  return (
    <Panel
      title="Markets"
      room="markets"
      aside={
        <Known>
          <Summary tops={[...markets.values()]} />
          <input
            type="search"
            className="filter"
            aria-label="filter the markets by ticker"
            placeholder="ticker"
            value={text}
            onChange={({ target }) => setText(target.value)}
          />
        </Known>
      }
    >
      {markets.size === 0 ? (
        <Words
          connecting="Its markets come with the first answer of the trader."
          empty="No markets are subscribed."
        />
      ) : (
        <MarketTable markets={markets} text={text} chosen={chosen} onChoose={choose} />
      )}
    </Panel>
  );
}

function Summary({ tops }: { readonly tops: readonly MarketTop[] }): ReactNode {
  const live = tops.filter(({ book_state }) => book_state === "live").length;
  const over = tops.filter(isOver).length;
  const stale = tops.filter((top) => top.book_state === "stale" && !isOver(top)).length;
  return (
    <span className="fact">
      {live} live{stale > 0 && `, ${stale} stale`}
      {over > 0 && `, ${over} closed`}
    </span>
  );
}
