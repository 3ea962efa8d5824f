import type { ReactNode } from "react";
import { useConsole, useServerNow } from "../../feed/hooks";
import { duration } from "../../ui/format";
import { Num } from "../../ui/Num";

export function Uptime(): ReactNode {
  const startedAtMs = useConsole((state) => state.model.startedAtMs);
  const nowMs = useServerNow();
  return <Num value={startedAtMs === null ? null : duration(nowMs - startedAtMs)} testId="uptime" />;
}
