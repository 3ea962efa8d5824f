import type { ReactNode } from "react";
import { useConsole, useWallNow } from "../feed/hooks";
import type { ConsoleState } from "../feed/store";
import { duration } from "./format";

/** How old everything around it is; says nothing while it is of now. */
export function AsOf(): ReactNode {
  const sinceMs = useConsole(momentShown);
  const isChosen = useConsole(({ view, isPaused }) => view.at !== null || isPaused);
  return sinceMs === null ? null : <Age sinceMs={sinceMs} words={isChosen ? "⟲" : "as of"} />;
}

/** When what is shown was true, on the server's clock; null: now, or nothing is known yet. */
function momentShown({ link, view, isPaused, model }: ConsoleState): number | null {
  if (view.at !== null || isPaused) return model.atMs;
  return link.status === "live" || link.heardAtMs === null ? null : link.heardAtMs + link.skewMs;
}

interface AgeProps {
  readonly sinceMs: number;
  readonly words: string;
}

function Age({ sinceMs, words }: AgeProps): ReactNode {
  const nowMs = useWallNow();
  return (
    <span className="as-of">
      {words} {duration(nowMs - sinceMs)} ago
    </span>
  );
}
