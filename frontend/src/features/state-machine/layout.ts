/**
 * Where states and edges go: a spine read downwards, as a metro line. What skips ahead arcs to the left, what goes
 * back arcs to the right. States that everything before them may fall into (error, shutdown) stand apart at the end.
 */
export interface Station {
  readonly name: string;
  readonly y: number;
}

export interface Edge {
  readonly from: string;
  readonly to: string;
  readonly path: string;
  /** Where its count stands. */
  readonly labelX: number;
  readonly labelY: number;
}

export interface Diagram {
  readonly stations: readonly Station[];
  readonly edges: readonly Edge[];
  readonly height: number;
  /** Where the fault lane begins; null when there is none. */
  readonly laneY: number | null;
}

export const WIDTH = 316;
export const SPINE_X = 58;
export const LABEL_X = 94;
/** Right edges of the columns of facts. */
export const ENTRIES_X = 262;
export const MEDIAN_X = WIDTH - 2;
const NAME_MAX = 20;
const ROW = 30;
const LANE_GAP = 14;
const STATION_R = 6;
const LEFT_MAX = 55;
const RIGHT_MAX = 34;

export function layOut(states: Readonly<Record<string, readonly string[]>>): Diagram {
  const names = Object.keys(states);
  const laneStart = names.length - laneLength(names, states);
  const hasLane = laneStart < names.length;
  const stations = names.map((name, index) => ({
    name,
    y: ROW * (index + 0.5) + (index >= laneStart ? LANE_GAP : 0),
  }));
  const yOf = new Map(stations.map(({ name, y }) => [name, y]));
  const edges = names.flatMap((from) =>
    (states[from] ?? []).flatMap((to) => {
      const start = yOf.get(from);
      const end = yOf.get(to);
      return start === undefined || end === undefined ? [] : [{ from, to, ...curveOf(start, end) }];
    }),
  );
  return {
    stations,
    edges,
    height: ROW * names.length + (hasLane ? LANE_GAP : 0),
    laneY: hasLane ? ROW * laneStart + LANE_GAP / 2 : null,
  };
}

/** How many states at the end may be entered from every state before them. */
function laneLength(names: readonly string[], states: Readonly<Record<string, readonly string[]>>): number {
  let start = names.length;
  while (start > 2) {
    const candidate = names[start - 1];
    const isFault = names.slice(0, start - 1).every((name) => states[name]?.some((to) => to === candidate));
    if (!isFault) break;
    start -= 1;
  }
  return names.length - start;
}

/** A long name stands on two lines, parted at the word that makes them most equal. */
export function nameLines(name: string): readonly string[] {
  if (name.length <= NAME_MAX) return [name];
  const parts = [...name.matchAll(/_/g)].map(({ index }) => index + 1);
  const uneven = (at: number) => Math.abs(name.length - 2 * at);
  const at = parts.reduce((best, part) => (uneven(part) < uneven(best) ? part : best), NAME_MAX);
  return [name.slice(0, at), name.slice(at)];
}

function curveOf(start: number, end: number): Pick<Edge, "path" | "labelX" | "labelY"> {
  const rows = (end - start) / ROW;
  const labelY = (start + end) / 2;
  if (rows > 0 && rows < 1.1) {
    return {
      path: `M${SPINE_X} ${start + STATION_R}L${SPINE_X} ${end - STATION_R - 2}`,
      labelX: SPINE_X,
      labelY,
    };
  }
  const bulge = rows > 0 ? -Math.min(LEFT_MAX, 10 + 5.5 * rows) : Math.min(RIGHT_MAX, 10 - 5 * rows);
  const side = Math.sign(bulge);
  const from = SPINE_X + side * STATION_R;
  const to = SPINE_X + side * (STATION_R + 2);
  const reach = SPINE_X + bulge * 1.25;
  const path = `M${from} ${start}C${reach} ${start} ${reach} ${end} ${to} ${end}`;
  return { path, labelX: (from + to + 6 * reach) / 8, labelY };
}
