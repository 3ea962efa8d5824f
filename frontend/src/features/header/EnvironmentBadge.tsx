import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import { MISSING } from "../../ui/format";

export function EnvironmentBadge(): ReactNode {
  const environment = useConsole((state) => state.model.connection?.environment);
  return (
    <span className="environment" data-testid="environment" data-environment={environment}>
      {environment?.toUpperCase() ?? MISSING}
    </span>
  );
}
