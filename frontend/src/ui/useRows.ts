/**
 * Which of many rows exist in the document: those in sight and a few around them. All rows are `rowPx` high.
 *
 * `follow` keeps the end in sight as rows come, until the person scrolls away from it.
 */
import { type UIEvent, useCallback, useLayoutEffect, useRef, useState } from "react";

/** Until the box has been measured. */
const HEIGHT_PX_FIRST = 400;

interface Options {
  readonly count: number;
  readonly rowPx: number;
  /** Rows kept on each side of those in sight. */
  readonly overscan?: number;
  readonly follow?: boolean;
  /** How many rows have gone at the front since the list began: what is read stays where it is while they go. */
  readonly gone?: number;
}

export interface Rows {
  /** The box that scrolls. */
  readonly box: (element: HTMLElement | null) => (() => void) | undefined;
  readonly onScroll: (event: UIEvent) => void;
  readonly allPx: number;
  readonly heightPx: number;
  /** The rows that exist: `first` and those before `end`. */
  readonly first: number;
  readonly end: number;
  /** The rows that are in sight. */
  readonly seen: readonly [first: number, end: number];
  readonly isAtEnd: boolean;
  readonly toEnd: () => void;
  /** Scrolls as little as brings the row into sight, or so that it is in the middle. */
  readonly reveal: (index: number, where?: "nearest" | "middle") => void;
}

export function useRows({ count, rowPx, overscan = 6, follow = false, gone = 0 }: Options): Rows {
  const element = useRef<HTMLElement>(null);
  const goneBefore = useRef(gone);
  const [heightPx, setHeightPx] = useState(HEIGHT_PX_FIRST);
  const [topPx, setTopPx] = useState(0);
  const [isAtEnd, setIsAtEnd] = useState(follow);

  const allPx = count * rowPx;
  const endPx = Math.max(0, allPx - heightPx);
  const atPx = isAtEnd ? endPx : Math.min(topPx, endPx);
  const seenFirst = Math.floor(atPx / rowPx);
  const seenEnd = Math.min(count, Math.ceil((atPx + heightPx) / rowPx));

  const scrollTo = (px: number) => {
    const top = Math.min(endPx, Math.max(0, px));
    element.current?.scrollTo({ top });
    setTopPx(top);
    setIsAtEnd(follow && top >= endPx - rowPx);
  };
  useLayoutEffect(() => {
    if (isAtEnd) element.current?.scrollTo({ top: endPx });
  }, [isAtEnd, endPx]);
  useLayoutEffect(() => {
    const lostPx = (gone - goneBefore.current) * rowPx;
    goneBefore.current = gone;
    if (!isAtEnd && lostPx > 0) element.current?.scrollBy({ top: -lostPx });
  }, [gone, isAtEnd, rowPx]);

  const box = useCallback((measured: HTMLElement | null) => {
    element.current = measured;
    if (measured === null) return undefined;
    const observer = new ResizeObserver(() => setHeightPx(measured.clientHeight || HEIGHT_PX_FIRST));
    observer.observe(measured);
    return () => observer.disconnect();
  }, []);

  return {
    box,
    onScroll: ({ currentTarget: { scrollTop } }) => {
      setTopPx(scrollTop);
      if (follow) setIsAtEnd(scrollTop >= endPx - rowPx);
    },
    allPx,
    heightPx,
    first: Math.max(0, seenFirst - overscan),
    end: Math.min(count, seenEnd + overscan),
    seen: [seenFirst, seenEnd],
    isAtEnd,
    toEnd: () => setIsAtEnd(true),
    reveal: (index, where = "nearest") => {
      const rowTop = index * rowPx;
      if (where === "middle") scrollTo(rowTop - (heightPx - rowPx) / 2);
      else if (rowTop < atPx) scrollTo(rowTop);
      else if (rowTop + rowPx > atPx + heightPx) scrollTo(rowTop + rowPx - heightPx);
    },
  };
}
