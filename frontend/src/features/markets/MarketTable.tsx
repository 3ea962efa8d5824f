import { type ReactNode, useEffect, useEffectEvent, useState } from "react";
import { useConsole, useServerNow } from "../../feed/hooks";
import { isStale } from "../../model/trading";
import { Gap } from "../../ui/Gap";
import { useHotkey } from "../../ui/hotkey";
import { useRows } from "../../ui/useRows";
import { standingOf } from "./age";
import { MarketRow, ROW_PX } from "./MarketRow";
import { createOrder, type Markets, type Sorting } from "./order";
import { COLUMNS, TableHead } from "./TableHead";

interface Props {
  readonly markets: Markets;
  readonly text: string;
  readonly chosen: string | null;
  readonly onChoose: (ticker: string) => void;
}

/** A row a market, of which only those in sight exist; a few dozen are all in sight. */
export function MarketTable({ markets, text, chosen, onChoose }: Props): ReactNode {
  const nowMs = useServerNow();
  const positions = useConsole((state) => state.model.trading?.positions);
  const isHeldStale = useConsole(({ model }) => model.trading !== null && isStale(model.trading));
  const holdings = new Map(positions?.map(({ ticker, position }) => [ticker, position]));
  const [sorting, setSorting] = useState<Sorting>({ column: "ticker", isDescending: false });
  const [orderOf] = useState(createOrder);
  const order = orderOf(markets, { ...sorting, text, nowMs: Math.floor(nowMs / 1000) });
  const { box, onScroll, first, end, reveal } = useRows({ count: order.length, rowPx: ROW_PX, overscan: 16 });

  const showChosen = useEffectEvent(() => {
    const at = chosen === null ? -1 : order.indexOf(chosen);
    if (at !== -1) reveal(at);
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: whoever chose it, the chosen one comes into sight
  useEffect(() => showChosen(), [chosen]);
  const step = (by: 1 | -1) => {
    const at = chosen === null ? -1 : order.indexOf(chosen);
    const ticker = order[Math.min(order.length - 1, Math.max(0, at + by))];
    if (ticker !== undefined) onChoose(ticker);
  };
  useHotkey(",", () => step(-1));
  useHotkey(".", () => step(1));

  return (
    // biome-ignore lint/a11y/useSemanticElements: a group of facts is not a fieldset
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1)
    <div ref={box} className="scroll" role="group" aria-label="Markets" tabIndex={0} onScroll={onScroll}>
      <table className="markets" data-held-stale={isHeldStale} aria-rowcount={order.length + 1}>
        <TableHead sorting={sorting} onSort={setSorting} />
        <tbody>
          <Gap px={first * ROW_PX} columns={COLUMNS} />
          {order.slice(first, end).map((ticker, index) => {
            const top = markets.get(ticker);
            return (
              top && (
                <MarketRow
                  key={ticker}
                  top={top}
                  place={first + index + 1}
                  isChosen={ticker === chosen}
                  held={holdings.get(ticker) ?? null}
                  onChoose={onChoose}
                  {...standingOf(top, nowMs)}
                />
              )
            );
          })}
          <Gap px={(order.length - end) * ROW_PX} columns={COLUMNS} />
        </tbody>
      </table>
    </div>
  );
}
