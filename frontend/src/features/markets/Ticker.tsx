import type { ReactNode } from "react";

/** A ticker that, when it has no room, loses its middle: the leg at its end is what tells markets apart. */
export function Ticker({ ticker }: { readonly ticker: string }): ReactNode {
  const cut = ticker.lastIndexOf("-");
  return (
    <span className="ticker">
      <span className="event">{ticker.slice(0, Math.max(0, cut))}</span>
      <span className="leg">{ticker.slice(Math.max(0, cut))}</span>
    </span>
  );
}
