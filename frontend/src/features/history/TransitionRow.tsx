import type { ReactNode } from "react";
import type { StateTransition } from "../../protocol/messages";
import { lapse, timeOfDay } from "../../ui/format";
import { stateTone } from "../../ui/signs";

interface Props {
  readonly transition: StateTransition;
  readonly before: StateTransition | undefined;
}

export function TransitionRow({ transition, before }: Props): ReactNode {
  const { from_state, to_state, context, timestamp } = transition;
  const dwellMs = before === undefined ? null : Date.parse(timestamp) - Date.parse(before.timestamp);
  return (
    <li className="transition" data-testid="transition-row">
      <time dateTime={timestamp}>{timeOfDay(timestamp)}</time>
      <span className="states">
        {from_state} <span className="to-arrow">→</span> <b data-tone={stateTone(to_state)}>{to_state}</b>
      </span>
      <span className="context">
        {context}
        {dwellMs !== null && ` · after ${lapse(dwellMs)}`}
      </span>
    </li>
  );
}
