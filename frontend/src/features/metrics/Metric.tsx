import type { ReactNode } from "react";
import { duration } from "../../ui/format";
import { Num } from "../../ui/Num";
import type { MetricRow } from "./rows";
import { Sparkline } from "./Sparkline";

interface Props {
  readonly row: MetricRow;
  readonly value: string | number | null;
  /** Its last minutes; null for a number without a line. */
  readonly curve: readonly number[] | null;
}

export function Metric({ row, value, curve }: Props): ReactNode {
  const isTrouble = row.kind === "trouble" && typeof value === "number" && value > 0;
  return (
    <div
      className="metric"
      data-metric={row.field}
      data-alarm={isTrouble}
      title={`${row.field}: ${row.meaning}`}
    >
      <dt>{row.label}</dt>
      <dd>
        <Num value={shown(row, value)} {...(row.unit === undefined ? {} : { unit: row.unit })} />
        {curve !== null && <Sparkline values={curve} />}
      </dd>
    </div>
  );
}

function shown({ kind }: MetricRow, value: string | number | null): string | number | null {
  if (kind === "instant" && typeof value === "string") return value.slice(11, 19);
  if (kind === "seconds" && typeof value === "number") return duration(value * 1000);
  if (kind === "rate" && typeof value === "number") return value.toFixed(1);
  return value;
}
