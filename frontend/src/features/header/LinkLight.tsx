import type { ReactNode } from "react";
import { useConsole, useLocalNow } from "../../feed/hooks";
import { linkWord } from "../../feed/store";
import { duration } from "../../ui/format";
import { LINK_GLYPH } from "../../ui/signs";

export function LinkLight(): ReactNode {
  const word = useConsole(linkWord);
  const status = useConsole((state) => state.link.status);
  const sinceMs = useConsole((state) => state.link.sinceMs);
  return (
    <span className="link">
      <span className="link-word" data-testid="link" data-link={word}>
        <span aria-hidden="true">{LINK_GLYPH[word]}</span> {word}
      </span>
      {word === status && <Lasting sinceMs={sinceMs} />}
    </span>
  );
}

function Lasting({ sinceMs }: { readonly sinceMs: number }): ReactNode {
  const nowMs = useLocalNow();
  return <span className="link-detail">{duration(nowMs - sinceMs)}</span>;
}
