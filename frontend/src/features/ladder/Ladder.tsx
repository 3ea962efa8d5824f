import { type ReactNode, useMemo, useState } from "react";
import { useConsole } from "../../feed/hooks";
import { chosenMarket } from "../../feed/store";
import type { MarketBook } from "../../protocol/messages";
import { Panel } from "../../ui/Panel";
import { VerbButton } from "../../ui/VerbButton";
import { Words } from "../../ui/Words";
import { LadderFacts } from "./LadderFacts";
import { Rungs } from "./Rungs";
import { ladderOf } from "./rungs";

/** The whole book of the chosen market, price by price. */
export function Ladder(): ReactNode {
  const ticker = useConsole(chosenMarket);
  const book = useConsole(({ model }) => (ticker === null ? undefined : model.books.get(ticker)));
  const isPast = useConsole(({ view }) => view.at !== null);
  const [isCumulative, setIsCumulative] = useState(false);
  return (
    <Panel
      title="Ladder"
      room="ladder"
      testId="ladder"
      aside={
        <>
          {ticker !== null && (
            <VerbButton
              verb="resync"
              args={{ ticker }}
              label="resync"
              name={`resync ${ticker}: ask for its book anew`}
            />
          )}
          <button
            type="button"
            className="button"
            aria-pressed={isCumulative}
            title="each row with all that stands at better prices"
            onClick={() => setIsCumulative(!isCumulative)}
          >
            Σ cumulative
          </button>
        </>
      }
    >
      {book === undefined ? (
        <Words connecting="The book comes once the trader answers." empty={absence(ticker, isPast)} />
      ) : (
        <Book book={book} isCumulative={isCumulative} />
      )}
    </Panel>
  );
}

function Book({
  book,
  isCumulative,
}: {
  readonly book: MarketBook;
  readonly isCumulative: boolean;
}): ReactNode {
  const ladder = useMemo(() => ladderOf(book), [book]);
  const isEmpty = ladder.middle === null;
  return (
    <div className="ladder-book" data-book-state={book.book_state}>
      <LadderFacts book={book} ladder={ladder} />
      {isEmpty ? (
        <p className="words">{emptiness(book.book_state)}</p>
      ) : (
        <Rungs key={book.ticker} book={book} ladder={ladder} isCumulative={isCumulative} />
      )}
    </div>
  );
}

function absence(ticker: string | null, isPast: boolean): string {
  if (ticker === null) return "No market to show: none is subscribed.";
  return isPast
    ? `No book of ${ticker} was kept at that moment: whole books are kept of the markets that somebody looked at.`
    : `Waiting for the book of ${ticker}. If it does not come, the trader does not follow that market.`;
}

function emptiness(state: MarketBook["book_state"]): string {
  return state === "live"
    ? "The book is live and empty: nobody bids for YES or for NO."
    : "No book yet: its first snapshot has not come.";
}
