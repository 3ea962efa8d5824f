import type { ReactNode } from "react";
import { useConsole, useServerNow } from "../../feed/hooks";
import type { MarketTop } from "../../protocol/messages";
import { Known } from "../../ui/Known";
import { Panel } from "../../ui/Panel";
import { Scroll } from "../../ui/Scroll";
import { isOver } from "../../ui/signs";
import { Words } from "../../ui/Words";
import { MarketRow } from "./MarketRow";

/** The best of every book, and whether it may be believed. */
export function Markets(): ReactNode {
  const markets = useConsole((state) => state.model.markets);
  const tops = [...markets.values()];
  return (
    <Panel
      title="Markets"
      room="markets"
      aside={
        <Known>
          <Summary tops={tops} />
        </Known>
      }
    >
      <Scroll label="Markets">
        {tops.length === 0 ? (
          <Words
            connecting="Its markets come with the first answer of the trader."
            empty="No markets are subscribed."
          />
        ) : (
          <MarketTable tops={tops} />
        )}
      </Scroll>
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

function MarketTable({ tops }: { readonly tops: readonly MarketTop[] }): ReactNode {
  const nowMs = useServerNow();
  return (
    <table className="markets">
      <thead>
        <tr>
          <th scope="col">market</th>
          <th scope="col" className="book">
            book
          </th>
          <th scope="col" className="number size">
            size
          </th>
          <th scope="col" className="number bid">
            bid YES
          </th>
          <th scope="col" className="number ask">
            ask YES
          </th>
          <th scope="col" className="number size">
            size
          </th>
          <th scope="col" className="number updates">
            updates
          </th>
          <th scope="col" className="number age">
            age
          </th>
        </tr>
      </thead>
      <tbody>
        {tops.map((top) => (
          <MarketRow
            key={top.ticker}
            top={top}
            ageMs={top.last_update === null ? null : nowMs - Date.parse(top.last_update)}
          />
        ))}
      </tbody>
    </table>
  );
}
