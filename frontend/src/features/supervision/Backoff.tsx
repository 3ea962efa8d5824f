import type { ReactNode } from "react";
import { useServerNow } from "../../feed/hooks";
import { Num } from "../../ui/Num";

/** How long until it is started again. */
export function Backoff({ until }: { readonly until: string }): ReactNode {
  const leftMs = Date.parse(until) - useServerNow();
  return <Num value={leftMs > 0 ? `in ${Math.ceil(leftMs / 1_000)} s:` : "now:"} />;
}
