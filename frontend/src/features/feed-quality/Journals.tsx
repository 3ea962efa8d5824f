import type { ReactNode } from "react";
import type { ConnectionEvent, GapReport } from "../../protocol/messages";
import { Time } from "../../ui/Time";
import { gapWords } from "./words";

const ROWS_MAX = 50;

/** Holes in the exchange's numbering, newest first, each with how it was repaired. */
export function Gaps({ gaps }: { readonly gaps: readonly GapReport[] }): ReactNode {
  if (gaps.length === 0) return <p className="words">✓ No gap since the process started.</p>;
  return (
    <ol className="journal">
      {gaps
        .slice(-ROWS_MAX)
        .toReversed()
        .map((gap) => (
          <li key={`${gap.timestamp} ${gap.connection}`} data-testid="gap" data-open={gap.how === null}>
            <Time at={gap.timestamp} /> <b>{gap.connection}</b> {gapWords(gap)}
          </li>
        ))}
    </ol>
  );
}

/** When connections were made and lost, newest first, also by earlier runs of this trader. */
export function ConnectionHistory({ events }: { readonly events: readonly ConnectionEvent[] }): ReactNode {
  if (events.length === 0) return <p className="words">No connection has been made or lost yet.</p>;
  return (
    <ol className="journal">
      {events
        .slice(-ROWS_MAX)
        .toReversed()
        .map(({ connection, is_up, reason, timestamp }) => (
          <li key={`${timestamp} ${connection} ${is_up}`} data-testid="connection-event" data-up={is_up}>
            <span className="day">{timestamp.slice(5, 10)}</span> <Time at={timestamp} /> <b>{connection}</b>{" "}
            <span className="up-down">{is_up ? "● made" : "✕ lost"}</span> {reason}
          </li>
        ))}
    </ol>
  );
}
