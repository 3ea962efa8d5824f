import type { ReactNode } from "react";
import { useConsole, useLocalNow } from "../feed/hooks";
import { duration } from "./format";

/** How old everything around it is; says nothing while the link is live. */
export function AsOf(): ReactNode {
  const link = useConsole((state) => state.link);
  if (link.status === "live" || link.heardAtMs === null) return null;
  return <Age sinceMs={link.heardAtMs} />;
}

function Age({ sinceMs }: { readonly sinceMs: number }): ReactNode {
  const nowMs = useLocalNow();
  return <span className="as-of">as of {duration(nowMs - sinceMs)} ago</span>;
}
