import type { ReactNode } from "react";
import type { MarketTop } from "../../protocol/messages";
import { duration } from "../../ui/format";
import { Num } from "../../ui/Num";
import { BOOK_GLYPH, isOver } from "../../ui/signs";
import { Ticker } from "./Ticker";

/** Longer than this without an update is quiet, which is no trouble as long as the book is live. */
const QUIET_MS = 5_000;

interface Props {
  readonly top: MarketTop;
  readonly ageMs: number | null;
}

export function MarketRow({ top, ageMs }: Props): ReactNode {
  const { ticker, book_state, stale_reason } = top;
  const over = isOver(top) ? top.market_status : null;
  const isQuiet = book_state === "live" && ageMs !== null && ageMs >= QUIET_MS;
  return (
    <tr
      className="market"
      data-testid="market"
      data-ticker={ticker}
      data-book-state={book_state}
      data-quiet={isQuiet}
    >
      <th scope="row" title={ticker}>
        <Ticker ticker={ticker} />
        {stale_reason !== null && <span className="reason">{stale_reason}</span>}
      </th>
      <td className={book_state === "live" ? "book fact" : "book"}>
        <span aria-hidden="true">{over ? "■" : isQuiet ? "○" : BOOK_GLYPH[book_state]}</span>{" "}
        {over ?? (isQuiet ? "quiet" : book_state)}
      </td>
      <td className="number size">
        <Num value={top.yes_bid_size} />
      </td>
      <td className="number bid">
        <Num value={top.yes_bid} />
      </td>
      <td className="number ask">
        <Num value={top.yes_ask} />
      </td>
      <td className="number size">
        <Num value={top.yes_ask_size} />
      </td>
      <td className="number updates">
        <Num value={top.updates} />
      </td>
      <td className="number age">
        <Num value={ageMs === null ? null : duration(ageMs)} />
      </td>
    </tr>
  );
}
