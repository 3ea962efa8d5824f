import type { ReactNode } from "react";
import { useServerNow } from "../../feed/hooks";
import { duration } from "../../ui/format";
import { LEVEL_GLYPH } from "../../ui/signs";
import type { Trouble } from "./troubles";

interface Props {
  readonly row: Trouble;
  readonly isSeen: boolean;
  readonly onSeen: () => void;
}

export function AlertRow({ row, isSeen, onSeen }: Props): ReactNode {
  const { level, kind, component, count, message, since } = row;
  return (
    <li
      className="alert"
      data-testid="alert"
      data-level={level}
      data-kind={kind}
      data-seen={isSeen}
      title={message}
    >
      <span className="level">
        <span aria-hidden="true">{LEVEL_GLYPH[level]}</span> {level}
      </span>
      <b>{component}</b>
      <span className="message">
        {message}
        {count > 1 && <span className="times"> ×{count}</span>}
      </span>
      {since !== null && <Since since={since} />}
      <button
        type="button"
        className="button seen"
        disabled={isSeen}
        aria-label={`seen: ${message}`}
        onClick={onSeen}
      >
        {isSeen ? "✓ seen" : "seen"}
      </button>
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
