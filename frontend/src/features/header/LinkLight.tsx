import type { ReactNode } from "react";
import { useConsole, useLocalNow } from "../../feed/hooks";
import { duration } from "../../ui/format";
import { LINK_GLYPH } from "../../ui/signs";

export function LinkLight(): ReactNode {
  const link = useConsole((state) => state.link);
  return (
    <span className="link">
      <span className="link-word" data-testid="link" data-link={link.status}>
        <span aria-hidden="true">{LINK_GLYPH[link.status]}</span> {link.status}
      </span>
      {link.status !== "live" && <Lasting sinceMs={link.sinceMs} />}
    </span>
  );
}

function Lasting({ sinceMs }: { readonly sinceMs: number }): ReactNode {
  const nowMs = useLocalNow();
  return <span className="link-detail">for {duration(nowMs - sinceMs)}</span>;
}
