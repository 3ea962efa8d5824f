import type { ReactNode } from "react";
import { lineText } from "../../model/lines";
import type { Line } from "../../model/model";
import { CopyButton } from "../../ui/CopyButton";

interface Props {
  readonly line: Line;
  readonly isMarked: boolean;
  readonly onMark: () => void;
  readonly onGoThere: (seq: number) => void;
  readonly onClose: () => void;
}

/** One event in full, as the trader sent it. Lies over the list, so that no row moves. */
export function Details({ line, isMarked, onMark, onGoThere, onClose }: Props): ReactNode {
  const { seq } = line;
  return (
    <aside className="details" aria-label="The event in full" data-testid="details">
      <div className="details-head">
        <span className="details-title">
          {seq !== null && `#${seq} `}
          {line.kind} · {line.source}
        </span>
        {seq !== null && (
          <button
            type="button"
            className="button"
            title="show the whole console as of this event"
            onClick={() => onGoThere(seq)}
          >
            ⟲ as of then
          </button>
        )}
        <button
          type="button"
          className="button"
          aria-pressed={isMarked}
          title="mark the row (m)"
          onClick={onMark}
        >
          {isMarked ? "★" : "☆"} mark
        </button>
        <CopyButton label="copy the line (c)" text={() => lineText(line)} />
        <button type="button" className="button" title="close (Enter)" aria-label="close" onClick={onClose}>
          ✕
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1) */}
      <pre className="json" tabIndex={0}>
        {JSON.stringify(line.data, null, 2)}
      </pre>
    </aside>
  );
}
