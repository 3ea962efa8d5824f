import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import { Num } from "../../ui/Num";

/** How well this page itself keeps up. */
export function ConsoleHealth(): ReactNode {
  const seq = useConsole((state) => state.model.seq);
  const dropped = useConsole((state) => state.model.dropped);
  const lagMs = useConsole((state) => state.model.lagMs);
  const rejected = useConsole((state) => state.rejected);
  return (
    <span className="console-health">
      <span>
        this page: seq <Num value={seq} testId="seq" />
      </span>
      <span>
        lag <Num value={lagMs === null ? null : Math.max(0, lagMs).toFixed(1)} unit="ms" />
      </span>
      <span data-alarm={dropped > 0}>
        dropped <Num value={dropped} testId="dropped" />
      </span>
      {rejected > 0 && (
        <span data-alarm="true">
          unreadable <Num value={rejected} testId="rejected" />
        </span>
      )}
    </span>
  );
}
