import type { ReactNode } from "react";
import type { Stays } from "../../model/stays";
import { count, lapse } from "../../ui/format";
import { stateTone } from "../../ui/signs";
import { ENTRIES_X, LABEL_X, MEDIAN_X, nameLines, SPINE_X, type Station } from "./layout";

const LETTER = 7.25;
const LINE = 13;

interface Props {
  readonly station: Station;
  readonly isActive: boolean;
  readonly stays: Stays;
}

/** One state with how often it was entered and how long it usually lasts. */
export function StationView({ station: { name, y }, isActive, stays }: Props): ReactNode {
  const lines = nameLines(name);
  const width = Math.max(...lines.map(({ length }) => length)) * LETTER + 14;
  const height = lines.length * LINE + 8;
  const entries = stays.entries.get(name);
  const medianMs = stays.medianMs.get(name);
  return (
    <g className="station" data-state={name} data-active={isActive} data-tone={stateTone(name)}>
      <title>{name}</title>
      {isActive && <rect x={LABEL_X - 7} y={y - height / 2} width={width} height={height} rx="5" />}
      <circle cx={SPINE_X} cy={y} r={isActive ? 6.5 : 4.5} />
      {lines.map((line, index) => (
        <text
          key={line}
          className="station-name"
          x={LABEL_X}
          y={y + 4 + LINE * (index - (lines.length - 1) / 2)}
        >
          {line}
        </text>
      ))}
      <text className="station-fact" x={ENTRIES_X} y={y + 4}>
        {entries === undefined ? "-" : count(entries)}
      </text>
      <text className="station-fact" x={MEDIAN_X} y={y + 4}>
        {medianMs === undefined ? "-" : lapse(medianMs)}
      </text>
    </g>
  );
}
