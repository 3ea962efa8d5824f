import type { ReactNode } from "react";
import { useServerNow } from "../../feed/hooks";
import { duration } from "../../ui/format";
import { LEVEL_GLYPH } from "../../ui/signs";

export interface Trouble {
  readonly id: string;
  readonly kind: "alert" | "warning";
  readonly level: "warning" | "error";
  readonly component: string;
  readonly since: string | null;
  readonly message: string;
}

export function AlertRow({ row }: { readonly row: Trouble }): ReactNode {
  return (
    <li className="alert" data-testid="alert" data-level={row.level} data-kind={row.kind}>
      <span className="level">
        <span aria-hidden="true">{LEVEL_GLYPH[row.level]}</span> {row.level}
      </span>
      <b>{row.component}</b>
      <span className="message" title={row.message}>
        {row.message}
      </span>
      {row.since !== null && <Since since={row.since} />}
    </li>
  );
}

function Since({ since }: { readonly since: string }): ReactNode {
  const nowMs = useServerNow();
  return (
    <span className="fact age" title={`since ${since}`}>
      {duration(nowMs - Date.parse(since))}
    </span>
  );
}
