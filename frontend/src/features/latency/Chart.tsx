import { type ReactNode, useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { TimeZone } from "../../model/view";
import type { Columns } from "./rates";
import { colour, useTheme } from "./theme";

export interface Curve {
  readonly label: string;
  /** A token of the style sheet. */
  readonly colour: string;
  /** Curves differ in more than colour. */
  readonly dash: readonly number[];
  /** Which scale it is drawn to. */
  readonly axis: "left" | "right";
}

interface Size {
  readonly width: number;
  readonly height: number;
}

interface Props {
  readonly label: string;
  readonly columns: Columns;
  readonly curves: readonly Curve[];
  readonly tz: TimeZone;
}

/** Curves over time in a canvas that fills its box. Made anew when the theme or the curves change, else only redrawn. */
export function Chart({ label, columns, curves, tz }: Props): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const theme = useTheme();

  // biome-ignore lint/correctness/useExhaustiveDependencies: a canvas has to be told of new colours
  useEffect(() => {
    const element = box.current;
    if (element === null || !canDraw()) return;
    const made = new uPlot(optionsFor(curves, tz, sizeOf(element)), [[]], element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize(sizeOf(element)));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [curves, tz, theme]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a chart that was made anew is empty
  useEffect(() => plot.current?.setData(toArrays(columns)), [columns, curves, tz, theme]);

  return <div ref={box} className="chart" role="img" aria-label={label} />;
}

function canDraw(): boolean {
  return document.createElement("canvas").getContext("2d") !== null;
}

function sizeOf({ clientWidth, clientHeight }: HTMLElement): Size {
  return { width: Math.max(40, clientWidth), height: Math.max(40, clientHeight) };
}

function toArrays([times, ...rates]: Columns): uPlot.AlignedData {
  return [[...times], ...rates.map((rate) => [...rate])];
}

function fromZero(_: uPlot, __: number | null, max: number | null): [number, number] {
  return [0, Math.max(1, (max ?? 0) * 1.1)];
}

function optionsFor(curves: readonly Curve[], tz: TimeZone, size: Size): uPlot.Options {
  const font = "11px ui-monospace, Menlo, Consolas, monospace";
  const ink = colour("--ink-dim");
  const line = { stroke: colour("--line"), width: 1 };
  const axis = { stroke: ink, font, grid: line, ticks: { ...line, size: 3 } };
  return {
    ...size,
    padding: [8, 0, 0, 0],
    tzDate: (seconds) =>
      tz === "utc" ? uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") : new Date(seconds * 1000),
    legend: { show: false },
    cursor: { show: false },
    scales: { left: { range: fromZero }, right: { range: fromZero } },
    axes: [
      { ...axis, size: 20, space: 80 },
      { ...axis, scale: "left", size: 46, space: 24 },
      { ...axis, scale: "right", side: 1, size: 46, space: 24, grid: { show: false } },
    ],
    series: [
      {},
      ...curves.map((curve) => ({
        label: curve.label,
        scale: curve.axis,
        stroke: colour(curve.colour),
        dash: [...curve.dash],
        width: 1.5,
        points: { show: false },
      })),
    ],
  };
}
