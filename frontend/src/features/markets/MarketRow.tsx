import { memo } from "react";
import type { MarketTop } from "../../protocol/messages";
import { Num } from "../../ui/Num";
import type { Standing } from "./age";
import { Ticker } from "./Ticker";

/** Height of every row; `--market-row` in the style sheet is the same number. */
export const ROW_PX = 24;

interface Props extends Standing {
  readonly top: MarketTop;
  /** Its place in the whole table, from 1. */
  readonly place: number;
  readonly isChosen: boolean;
  /** What is held there, below 0 NO; null: nothing. */
  readonly held: string | null;
  readonly onChoose: (ticker: string) => void;
}

export const MarketRow = memo(function MarketRow(props: Props) {
  const { top, place, isChosen, held, onChoose, age, glyph, word, since } = props;
  const { ticker, book_state, stale_reason } = top;
  return (
    <tr
      className="market"
      aria-rowindex={place + 1}
      data-testid="market"
      data-ticker={ticker}
      data-book-state={book_state}
      data-age={age}
      data-chosen={isChosen}
    >
      <th scope="row" title={stale_reason === null ? ticker : `${ticker}: ${stale_reason}`}>
        <button
          type="button"
          className="market-choose"
          aria-pressed={isChosen}
          tabIndex={isChosen ? 0 : -1}
          onClick={() => onChoose(ticker)}
        >
          <Ticker ticker={ticker} />
          {held !== null && (
            <span className="own" data-testid="held" title={`position ${held}`}>
              {" "}
              ◆<span className="unseen">position {held}</span>
            </span>
          )}
          {stale_reason !== null && <span className="reason">{stale_reason}</span>}
        </button>
      </th>
      <td className={book_state === "live" ? "book fact" : "book"}>
        <span aria-hidden="true">{glyph}</span> {word}
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
        <Num value={top.last_update === null ? null : (since ?? "<5 s")} />
      </td>
    </tr>
  );
});
