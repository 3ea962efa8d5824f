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
}

export interface Diagram {
  readonly stations: readonly Station[];
  readonly edges: readonly Edge[];
  readonly height: number;
  /** Where the fault lane begins; null when there is none. */
  readonly laneY: number | null;
}

export const SPINE_X = 58;
const ROW = 31;
const LANE_GAP = 16;
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
      return start === undefined || end === undefined ? [] : [{ from, to, path: pathOf(start, end) }];
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

function pathOf(start: number, end: number): string {
  const rows = (end - start) / ROW;
  if (rows > 0 && rows < 1.1) return `M${SPINE_X} ${start + STATION_R}L${SPINE_X} ${end - STATION_R - 2}`;
  const bulge = rows > 0 ? -Math.min(LEFT_MAX, 10 + 5.5 * rows) : Math.min(RIGHT_MAX, 10 - 5 * rows);
  const side = Math.sign(bulge);
  const from = SPINE_X + side * STATION_R;
  const to = SPINE_X + side * (STATION_R + 2);
  const reach = SPINE_X + bulge * 1.25;
  return `M${from} ${start}C${reach} ${start} ${reach} ${end} ${to} ${end}`;
}
