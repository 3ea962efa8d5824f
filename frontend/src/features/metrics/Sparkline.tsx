import type { ReactNode } from "react";

const WIDTH = 60;
const HEIGHT = 14;

/** The last minutes of one number as a line, from 0 to its highest. For the eye only: the number stands beside it. */
export function Sparkline({ values }: { readonly values: readonly number[] }): ReactNode {
  return (
    <svg className="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {values.length > 1 && <path d={sparkPath(values)} vectorEffect="non-scaling-stroke" />}
    </svg>
  );
}

export function sparkPath(values: readonly number[]): string {
  const most = Math.max(...values);
  const points = values.map((value, index) => {
    const x = (index / (values.length - 1)) * WIDTH;
    const y = HEIGHT - 1 - (most <= 0 ? 0 : Math.max(0, value / most)) * (HEIGHT - 2);
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  return `M${points.join("L")}`;
}
