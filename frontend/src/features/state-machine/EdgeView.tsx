import type { ReactNode } from "react";
import { count } from "../../ui/format";
import type { EdgeKind } from "./DiagramView";
import type { Edge } from "./layout";

interface Props {
  readonly edge: Edge;
  readonly kind: EdgeKind;
  /** How often it was taken; undefined: never, in the history that is held. */
  readonly taken: number | undefined;
}

export function EdgeView({ edge, kind, taken }: Props): ReactNode {
  return (
    <g className={`edge-group ${kind}`}>
      <path className={`edge ${kind}`} d={edge.path} markerEnd={`url(#arrow-${kind})`}>
        <title>{`${edge.from} → ${edge.to}${taken === undefined ? "" : `, taken ${count(taken)} times`}`}</title>
      </path>
      {taken !== undefined && (
        <text className="edge-count" x={edge.labelX} y={edge.labelY + 3.5}>
          {count(taken)}
        </text>
      )}
    </g>
  );
}
