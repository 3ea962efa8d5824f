import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import { MISSING } from "../../ui/format";
import { HEALTH_GLYPH } from "../../ui/signs";

export function Health(): ReactNode {
  const health = useConsole((state) => state.model.trader?.health);
  return (
    <span className="health fact" data-health={health}>
      <span aria-hidden="true">{health === undefined ? "" : HEALTH_GLYPH[health]} </span>
      <span data-testid="health">{health ?? MISSING}</span>
    </span>
  );
}
