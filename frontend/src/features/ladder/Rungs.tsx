import { type ReactNode, useEffectEvent, useLayoutEffect, useState } from "react";
import { useConsole, useServerNow } from "../../feed/hooks";
import type { MarketBook } from "../../protocol/messages";
import { Gap } from "../../ui/Gap";
import { useRows } from "../../ui/useRows";
import { createHeat, heatClass } from "./heat";
import { ownOrders } from "./own";
import { ticksOf } from "./prices";
import { ROW_PX, RungRow } from "./RungRow";
import { type LadderView, outOfSight } from "./rungs";

const COLUMNS = 3;
/** The touch is brought back to the middle before it comes this close to the edge. */
const EDGE_ROWS = 3;

interface Props {
  readonly book: MarketBook;
  readonly ladder: LadderView;
  readonly isCumulative: boolean;
}

/** The rungs, kept around the best prices; under the pointer or the focus nothing moves by itself. */
export function Rungs({ book, ladder, isCumulative }: Props): ReactNode {
  const { rungs, bestBid, bestAsk, middle } = ladder;
  const nowMs = useServerNow();
  const orders = useConsole((state) => state.model.trading?.orders);
  const [isHeld, setIsHeld] = useState(false);
  const [heatOf] = useState(createHeat);
  const heat = heatOf(book);
  const rows = useRows({ count: rungs.length, rowPx: ROW_PX });
  const { first, end, seen, heightPx } = rows;

  const keepInSight = useEffectEvent(() => {
    const isNear = middle !== null && middle >= seen[0] + EDGE_ROWS && middle < seen[1] - EDGE_ROWS;
    if (middle !== null && !isHeld && !isNear) rows.reveal(middle, "middle");
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: these are the occasions on which it may have to move
  useLayoutEffect(() => keepInSight(), [book.ticker, middle, isHeld, heightPx]);

  const own = ownOrders(orders ?? [], book.ticker);
  const { above, below } = outOfSight(ladder, seen);
  const lastTrade = book.last_trade === null ? null : ticksOf(book.last_trade.price);
  const full = isCumulative ? ladder.depthMax : ladder.sizeMax;
  const amount = isCumulative ? "depth" : "size";
  return (
    <>
      <p className="off-screen">▲ {above} levels above</p>
      {/* biome-ignore lint/a11y/useSemanticElements: a group of facts is not a fieldset */}
      <div
        ref={rows.box}
        className="scroll ladder"
        role="group"
        aria-label="Prices of the chosen market, the highest first"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1)
        tabIndex={0}
        onScroll={rows.onScroll}
        onPointerEnter={() => setIsHeld(true)}
        onPointerLeave={() => setIsHeld(false)}
        onFocus={() => setIsHeld(true)}
        onBlur={() => setIsHeld(false)}
      >
        <table className="rungs" aria-rowcount={rungs.length + 1}>
          <thead>
            <tr>
              <th scope="col" className="number bid">
                YES bid
              </th>
              <th scope="col" className="price">
                price
              </th>
              <th scope="col" className="ask">
                ask (NO bid)
              </th>
            </tr>
          </thead>
          <tbody>
            <Gap px={first * ROW_PX} columns={COLUMNS} />
            {rungs.slice(first, end).map(({ price, bid, ask }) => (
              <RungRow
                key={price}
                price={price}
                bid={bid?.[amount] ?? null}
                ask={ask?.[amount] ?? null}
                full={full}
                best={price === bestBid ? "bid" : price === bestAsk ? "ask" : null}
                isLastTrade={price === lastTrade}
                own={own.get(price) ?? null}
                heat={heatClass(heat.get(price), nowMs)}
              />
            ))}
            <Gap px={(rungs.length - end) * ROW_PX} columns={COLUMNS} />
          </tbody>
        </table>
      </div>
      <p className="off-screen">
        ▼ {below} levels below
        {isHeld && <span className="held">❚❚ held while the pointer is here</span>}
      </p>
    </>
  );
}
