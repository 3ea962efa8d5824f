import type { ReactNode } from "react";
import { edgeKey, type Stays } from "../../model/stays";
import { EdgeView } from "./EdgeView";
import { type Diagram, type Edge, LABEL_X, WIDTH } from "./layout";
import { StationView } from "./StationView";

interface Props {
  readonly diagram: Diagram;
  readonly active: string | undefined;
  readonly last: { readonly from_state: string; readonly to_state: string } | undefined;
  readonly stays: Stays;
}

/** What is lit is drawn over what is not. */
const ORDER = ["idle", "taken", "exit", "last"] as const;
export type EdgeKind = (typeof ORDER)[number];

export function DiagramView({ diagram, active, last, stays }: Props): ReactNode {
  const kindOf = ({ from, to }: Edge): EdgeKind => {
    if (from === last?.from_state && to === last.to_state) return "last";
    if (from === active) return "exit";
    return stays.edges.has(edgeKey(from, to)) ? "taken" : "idle";
  };
  const edges = diagram.edges.toSorted((a, b) => ORDER.indexOf(kindOf(a)) - ORDER.indexOf(kindOf(b)));
  return (
    <svg
      className="diagram"
      viewBox={`0 0 ${WIDTH} ${diagram.height}`}
      role="img"
      aria-label={`States of the trader; now ${active ?? "unknown"}, from ${last?.from_state ?? "nowhere"}`}
    >
      <defs>
        {ORDER.map((kind) => (
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
        <EdgeView
          key={edgeKey(edge.from, edge.to)}
          edge={edge}
          kind={kindOf(edge)}
          taken={stays.edges.get(edgeKey(edge.from, edge.to))}
        />
      ))}
      {diagram.stations.map((station) => (
        <StationView key={station.name} station={station} isActive={station.name === active} stays={stays} />
      ))}
    </svg>
  );
}
