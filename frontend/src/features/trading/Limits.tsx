import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import type { LimitReport } from "../../protocol/messages";
import { type Head, Heads } from "../../ui/Heads";
import { Num } from "../../ui/Num";

const HEADS: readonly Head[] = [
  { name: "limit" },
  { name: "of" },
  { name: "used / at most", className: "number" },
  { name: "share" },
];

/** From here on a limit is drawn as an alarm. */
const NEAR = 0.8;

/** Each limit with how much of it is used, the most used first. */
export function Limits(): ReactNode {
  const limits = useConsole((state) => state.model.trading?.limits.limits);
  if (limits === undefined || limits.length === 0) return null;
  return (
    <table className="trading limits" data-testid="limits">
      <Heads of={HEADS} />
      <tbody>
        {limits.map((limit) => (
          <LimitRow key={`${limit.rule} ${limit.scope}`} limit={limit} />
        ))}
      </tbody>
    </table>
  );
}

function LimitRow({
  limit: { rule, scope, used, limit, unit, share },
}: {
  readonly limit: LimitReport;
}): ReactNode {
  return (
    <tr data-testid="limit" data-rule={rule} data-near={share >= NEAR}>
      <th scope="row">{rule}</th>
      <td>{scope}</td>
      <td className="number">
        <Num value={`${used} / ${limit}`} unit={unit} />
      </td>
      <td>
        <span className="bar" data-alarm={share >= NEAR}>
          <span className="bar-fill" style={{ transform: `scaleX(${Math.min(1, share)})` }} />
        </span>{" "}
        <Num value={`${Math.floor(share * 100)} %`} />
      </td>
    </tr>
  );
}
