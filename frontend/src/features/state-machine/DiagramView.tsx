import type { ReactNode } from "react";
import { stateTone } from "../../ui/signs";
import { type Diagram, type Edge, SPINE_X } from "./layout";

const WIDTH = 374;
const LABEL_X = 100;
const LETTER = 7.25;

interface Props {
  readonly diagram: Diagram;
  readonly active: string | undefined;
  readonly last: { readonly from_state: string; readonly to_state: string } | undefined;
}

export function DiagramView({ diagram, active, last }: Props): ReactNode {
  const kindOf = ({ from, to }: Edge) => {
    if (from === last?.from_state && to === last.to_state) return "last";
    return from === active ? "exit" : "idle";
  };
  // What is lit is drawn over what is not.
  const order = ["idle", "exit", "last"];
  const edges = diagram.edges.toSorted((a, b) => order.indexOf(kindOf(a)) - order.indexOf(kindOf(b)));
  return (
    <svg
      className="diagram"
      viewBox={`0 0 ${WIDTH} ${diagram.height}`}
      role="img"
      aria-label={`States of the trader; now ${active ?? "unknown"}, from ${last?.from_state ?? "nowhere"}`}
    >
      <defs>
        {order.map((kind) => (
          <marker
            key={kind}
            id={`arrow-${kind}`}
            className={`arrow ${kind}`}
            viewBox="0 0 6 6"
            refX="4"
            refY="3"
            markerWidth="6"
            markerHeight="6"
            markerUnits="userSpaceOnUse"
            orient="auto"
          >
            <path d="M0 0L6 3L0 6z" />
          </marker>
        ))}
      </defs>
      {diagram.laneY !== null && <path className="lane" d={`M${LABEL_X} ${diagram.laneY}H${WIDTH}`} />}
      {edges.map((edge) => (
        <path
          key={`${edge.from} ${edge.to}`}
          className={`edge ${kindOf(edge)}`}
          d={edge.path}
          markerEnd={`url(#arrow-${kindOf(edge)})`}
        />
      ))}
      {diagram.stations.map(({ name, y }) => (
        <g
          key={name}
          className="station"
          data-state={name}
          data-active={name === active}
          data-tone={stateTone(name)}
        >
          {name === active && (
            <rect x={LABEL_X - 7} y={y - 10.5} width={name.length * LETTER + 14} height="21" rx="5" />
          )}
          <circle cx={SPINE_X} cy={y} r={name === active ? 6.5 : 4.5} />
          <text x={LABEL_X} y={y + 4}>
            {name}
          </text>
        </g>
      ))}
    </svg>
  );
}
