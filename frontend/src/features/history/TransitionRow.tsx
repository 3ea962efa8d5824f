import type { ReactNode } from "react";
import type { StateTransition } from "../../protocol/messages";
import { count, lapse } from "../../ui/format";
import { stateTone } from "../../ui/signs";
import { Time } from "../../ui/Time";

interface Props {
  readonly transition: StateTransition;
  readonly before: StateTransition | undefined;
  /** Whether the page is at this very moment. */
  readonly isShown: boolean;
  readonly onGo: (seq: number) => void;
}

/** One change of state. One whose number is known takes the whole page to its moment. */
export function TransitionRow({ transition, before, isShown, onGo }: Props): ReactNode {
  const { from_state, to_state, context, timestamp, metrics, seq } = transition;
  const dwellMs = before === undefined ? null : Date.parse(timestamp) - Date.parse(before.timestamp);
  return (
    <li className="transition" data-testid="transition-row" data-shown={isShown}>
      <Time at={timestamp} />
      <span className="states" title={`${from_state} → ${to_state}`}>
        <span>{from_state}</span> <span className="to-arrow">→</span>{" "}
        <b data-tone={stateTone(to_state)}>{to_state}</b>
      </span>
      <span className="context" title={context}>
        {context}
        {dwellMs !== null && ` · after ${lapse(dwellMs)}`}
      </span>
      {metrics !== null && (
        <span className="then">
          {count(metrics.markets_connected)} markets · {metrics.messages_per_second.toFixed(0)}/s
        </span>
      )}
      {metrics === null && <span className="then">of an earlier run</span>}
      {seq !== null && (
        <button
          type="button"
          className="button go"
          aria-label={`show ${from_state} to ${to_state}, event ${seq}`}
          title="show everything as it was then"
          onClick={() => onGo(seq)}
        >
          ⟲
        </button>
      )}
    </li>
  );
}
