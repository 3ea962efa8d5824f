import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";

/** Why there is nothing to see: because trading is off, and why, or because there is indeed nothing. */
export function OffWords({ empty }: { readonly empty: string }): ReactNode {
  const decision = useConsole((state) => state.model.trading?.decision);
  const isOff = decision?.stage === "off";
  return <p className="words">{isOff ? `Trading is off: ${decision?.why ?? "nobody said why"}.` : empty}</p>;
}
