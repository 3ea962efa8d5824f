import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import type { Difference, Pnl, PositionReport } from "../../protocol/messages";
import { dollars, gain } from "../../ui/format";
import { type Head, Heads } from "../../ui/Heads";
import { Num } from "../../ui/Num";
import { Scroll } from "../../ui/Scroll";
import { Time } from "../../ui/Time";
import { Words } from "../../ui/Words";
import { Account } from "./Account";
import { OffWords } from "./OffWords";

const HEADS: readonly Head[] = [
  { name: "market" },
  { name: "YES / -NO", className: "number" },
  { name: "average", className: "number" },
  { name: "realised", className: "number" },
  { name: "unrealised", className: "number" },
  { name: "fees", className: "number" },
  { name: "worst case with orders", className: "number wraps" },
];

/** What is held, what it cost and what it has brought, and where the venue's number is another. All computed by the trader. */
export function Positions(): ReactNode {
  const trading = useConsole((state) => state.model.trading);
  if (trading === null) {
    return (
      <Words
        connecting="Nothing known yet: the trader has not answered."
        empty="Nothing known of positions."
      />
    );
  }
  const { positions, pnl, recon } = trading;
  return (
    <Scroll label="Positions, profit and differences">
      <Account>
        <Totals pnl={pnl} />
        {positions === null || positions.length === 0 ? (
          <OffWords
            empty={
              positions === null
                ? "What is held is not known."
                : "Nothing is held, and nothing was since the start."
            }
          />
        ) : (
          <PositionTable positions={positions} />
        )}
      </Account>
      {recon.differences.length > 0 && <Differences differences={recon.differences} />}
    </Scroll>
  );
}

function Totals({ pnl }: { readonly pnl: Pnl }): ReactNode {
  return (
    <dl className="facts totals" data-testid="pnl">
      <dt>balance</dt>
      <dd>
        <Num value={orMissing(dollars, pnl.balance)} testId="balance" />
      </dd>
      <dt>realised</dt>
      <dd>
        <Num value={orMissing(gain, pnl.realized)} testId="realized" />
      </dd>
      <dt>unrealised</dt>
      <dd>
        <Num value={orMissing(gain, pnl.unrealized)} testId="unrealized" />
      </dd>
      <dt>fees</dt>
      <dd>
        <Num value={orMissing(dollars, pnl.fees)} />
      </dd>
      <dt>worst case with orders</dt>
      <dd>
        <Num value={orMissing(dollars, pnl.worst_case)} />
      </dd>
    </dl>
  );
}

function orMissing(show: (money: string) => string, money: string | null): string | null {
  return money === null ? null : show(money);
}

function PositionTable({ positions }: { readonly positions: readonly PositionReport[] }): ReactNode {
  return (
    <table className="trading" data-testid="positions">
      <Heads of={HEADS} />
      <tbody>
        {positions.map((held) => (
          <tr
            key={held.ticker}
            data-testid="position"
            data-ticker={held.ticker}
            data-position={held.position}
          >
            <th scope="row">{held.ticker}</th>
            <td className="number">
              <Num value={held.position} />
              {held.venue_position !== null && (
                <span className="reason" data-testid="differs">
                  {" "}
                  ≠ {held.venue_position} at Kalshi
                </span>
              )}
            </td>
            <td className="number">
              <Num value={held.average} unit={held.position.startsWith("-") ? "NO" : "YES"} />
            </td>
            <td className="number">
              <Num value={gain(held.realized)} />
            </td>
            <td className="number">
              <Num value={orMissing(gain, held.unrealized)} />
            </td>
            <td className="number">
              <Num value={dollars(held.fees)} />
            </td>
            <td className="number">
              <Num value={dollars(held.worst_case)} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Differences({ differences }: { readonly differences: readonly Difference[] }): ReactNode {
  return (
    <ol className="journal" aria-label="Where our numbers and the venue's differ">
      {differences.toReversed().map(({ what, key, ours, venue, since, is_settled }) => (
        <li key={`${what} ${key} ${since}`} data-testid="difference" data-open={!is_settled}>
          <Time at={since} /> <b>{what}</b> {key}: ours {ours}, Kalshi's {venue}
          {is_settled ? ", theirs adopted" : ": nothing is traded until both agree"}
        </li>
      ))}
    </ol>
  );
}
