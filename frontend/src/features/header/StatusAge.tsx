import type { ReactNode } from "react";
import { useConsole, useServerNow } from "../../feed/hooks";
import { duration } from "../../ui/format";
import { Num } from "../../ui/Num";

export function StatusAge(): ReactNode {
  const atMs = useConsole((state) => state.model.series.last?.atMs);
  const nowMs = useServerNow();
  return <Num value={atMs === undefined ? null : duration(nowMs - atMs)} testId="status-age" />;
}
