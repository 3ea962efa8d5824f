import { type ReactNode, type UIEvent, useCallback, useLayoutEffect, useRef, useState } from "react";
import type { Line } from "../../model/model";
import { LogRow, ROW_PX } from "./LogRow";

const OVERSCAN = 6;
const HEIGHT_PX_FIRST = 400;

/** Fixed rows, of which only those in sight exist. Follows the newest line until scrolled away from it. */
export function LogWindow({ lines }: { readonly lines: readonly Line[] }): ReactNode {
  const box = useRef<HTMLElement>(null);
  const [heightPx, setHeightPx] = useState(HEIGHT_PX_FIRST);
  const [top, setTop] = useState<number | "newest">("newest");

  const totalPx = lines.length * ROW_PX;
  const newestPx = Math.max(0, totalPx - heightPx);
  const topPx = top === "newest" ? newestPx : Math.min(top, newestPx);
  const first = Math.max(0, Math.floor(topPx / ROW_PX) - OVERSCAN);
  const shown = lines.slice(first, Math.ceil((topPx + heightPx) / ROW_PX) + OVERSCAN);

  useLayoutEffect(() => {
    if (top === "newest") box.current?.scrollTo({ top: newestPx });
  }, [top, newestPx]);
  const measure = useCallback((element: HTMLElement) => {
    box.current = element;
    const observer = new ResizeObserver(() => setHeightPx(element.clientHeight || HEIGHT_PX_FIRST));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const onScroll = ({ currentTarget: { scrollTop } }: UIEvent) =>
    setTop(scrollTop >= newestPx - ROW_PX ? "newest" : scrollTop);

  return (
    <section
      ref={measure}
      className="log"
      role="log"
      aria-live="off"
      aria-label="Log lines, newest last"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1)
      tabIndex={0}
      onScroll={onScroll}
    >
      <div className="log-all" style={{ height: totalPx }}>
        <ol className="log-shown" style={{ transform: `translateY(${first * ROW_PX}px)` }}>
          {shown.map((line) => (
            <LogRow key={line.id} line={line} />
          ))}
        </ol>
      </div>
    </section>
  );
}
