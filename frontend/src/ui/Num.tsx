import type { ReactNode } from "react";
import { count, MISSING } from "./format";

interface Props {
  readonly value: number | string | null | undefined;
  readonly unit?: string;
  readonly testId?: string;
}

/** A fact that the trader said. Struck through as soon as the link is not live; missing is `-`, never 0. */
export function Num({ value, unit, testId }: Props): ReactNode {
  const isMissing = value === null || value === undefined;
  const text = isMissing ? MISSING : typeof value === "number" ? count(value) : value;
  return (
    <span className="fact" data-testid={testId}>
      {text}
      {unit !== undefined && !isMissing && <span className="unit"> {unit}</span>}
    </span>
  );
}
