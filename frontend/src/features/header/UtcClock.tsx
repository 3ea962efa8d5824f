import type { ReactNode } from "react";
import { useServerNow } from "../../feed/hooks";
import { utcClock } from "../../ui/format";

/** The time now, which is true whatever the link does. */
export function UtcClock(): ReactNode {
  return <time>{utcClock(useServerNow())}</time>;
}
