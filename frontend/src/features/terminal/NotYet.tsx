import type { ReactNode } from "react";
import { Words } from "../../ui/Words";

interface Props {
  /** The subject of "will stand here". */
  readonly what: string;
}

/** A part of trading that this trader does not have: said, not shown as an empty table that looks like none. */
export function NotYet({ what }: Props): ReactNode {
  return (
    <Words
      connecting="Nothing known yet: the trader has not answered."
      empty={`Trading is off: this version watches the markets and sends no orders. ${what} will stand here once it trades.`}
    />
  );
}
