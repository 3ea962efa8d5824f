import type { ReactNode } from "react";
import { useServerNow } from "../../feed/hooks";
import type { LastTrade, MarketBook } from "../../protocol/messages";
import { duration, MISSING } from "../../ui/format";
import { Num } from "../../ui/Num";
import { BOOK_GLYPH } from "../../ui/signs";
import { centsText, ticksOf } from "./prices";
import type { LadderView } from "./rungs";

interface Props {
  readonly book: MarketBook;
  readonly ladder: LadderView;
}

const IMBALANCE =
  "imbalance of the top of the book: the YES bid's share of the size at both best prices; above 0.50 more is bid than asked";
const LAST_TRADE = "last trade: price of YES × size, the side that the taker bought, and how long ago";

/** Which market this is, whether its book may be believed, and the numbers beside the ladder. */
export function LadderFacts({ book, ladder }: Props): ReactNode {
  const { ticker, title, book_state, stale_reason, market_status, close_time, last_trade } = book;
  const nowMs = useServerNow();
  return (
    <div className="ladder-facts">
      <p className="ladder-title" title={title ?? ticker}>
        <b>{ticker}</b> {title}
      </p>
      <p className="ladder-state">
        <span className="book">
          <span aria-hidden="true">{BOOK_GLYPH[book_state]}</span> {book_state}
        </span>
        {stale_reason !== null && <span className="reason"> {stale_reason}</span>}
        {market_status !== null && <span className="unit"> · market {market_status}</span>}
        {close_time !== null && <span className="unit"> · {closing(Date.parse(close_time) - nowMs)}</span>}
      </p>
      <dl className="ladder-numbers">
        <div>
          <dt>spread</dt>
          <dd>
            <Num value={ladder.spread === null ? null : centsText(ladder.spread)} />
          </dd>
        </div>
        <div title={IMBALANCE}>
          <dt>imb</dt>
          <dd>
            <Num value={ladder.imbalance?.toFixed(2)} testId="imbalance" />
          </dd>
        </div>
        <div title={LAST_TRADE}>
          <dt>last</dt>
          <dd>
            <span className="traded">
              <Num value={last_trade === null ? null : `${cents(last_trade.price)} × ${last_trade.size}`} />
            </span>
            {last_trade !== null && <span className="unit">{taken(last_trade, nowMs)}</span>}
          </dd>
        </div>
      </dl>
    </div>
  );
}

function taken({ taker_side, timestamp }: LastTrade, nowMs: number): string {
  return ` ${taker_side}, ${duration(nowMs - Date.parse(timestamp))}`;
}

function closing(leftMs: number): string {
  return leftMs >= 0 ? `closes in ${duration(leftMs)}` : `closed ${duration(-leftMs)} ago`;
}

function cents(price: string): string {
  const ticks = ticksOf(price);
  return ticks === null ? MISSING : centsText(ticks);
}
