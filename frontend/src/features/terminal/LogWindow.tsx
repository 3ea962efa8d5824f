import type { MouseEvent, ReactNode } from "react";
import type { Line } from "../../model/model";
import type { Ring } from "../../model/ring";
import type { TimeZone } from "../../model/view";
import type { Rows } from "../../ui/useRows";
import type { Row } from "./filter";
import { LogRow, ROW_PX } from "./LogRow";

interface Props {
  readonly rows: Ring<Row>;
  /** The index of the first of them that is shown. */
  readonly from: number;
  readonly in: Rows;
  readonly tz: TimeZone;
  readonly chosen: Line | null;
  readonly marks: ReadonlySet<Line>;
  readonly onChoose: (id: number) => void;
}

/** Fixed rows, of which only those in sight exist. */
export function LogWindow({ rows, from, in: sight, tz, chosen, marks, onChoose }: Props): ReactNode {
  const { box, onScroll, allPx, first, end } = sight;
  const choose = ({ target }: MouseEvent) => {
    const id = target instanceof Element ? target.closest("[data-id]")?.getAttribute("data-id") : null;
    if (id && getSelection()?.isCollapsed !== false) onChoose(Number(id));
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: j, k and Enter do the same from anywhere on the page
    <section
      ref={box}
      className="log"
      role="log"
      aria-live="off"
      aria-label="Events, newest last"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1)
      tabIndex={0}
      onScroll={onScroll}
      onClick={choose}
    >
      <div className="log-all" style={{ height: allPx }}>
        <ol className="log-shown" style={{ transform: `translateY(${first * ROW_PX}px)` }}>
          {rows.slice(from + first, from + end).map((row) => (
            <LogRow
              key={`${row.line.id} ${row.part}`}
              row={row}
              tz={tz}
              isChosen={row.line === chosen}
              isMarked={marks.has(row.line)}
            />
          ))}
        </ol>
      </div>
    </section>
  );
}
