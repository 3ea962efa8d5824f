import type { ReactNode } from "react";
import type { LatencyStage } from "../../protocol/messages";
import { count, MISSING } from "../../ui/format";
import { Num } from "../../ui/Num";
import { barsOf, micros, stageName } from "./buckets";

/** Of a bar's place; the rest is the gap to the next. */
const BAR_SHARE = 0.88;

interface Props {
  readonly name: string;
  readonly stage: LatencyStage;
}

/** How long one stage took lately: its buckets as bars, moved by transforms only. */
export function Stage({ name, stage }: Props): ReactNode {
  const { p50_us, p99_us, max_us, window_s } = stage;
  const bars = barsOf(stage);
  const words = `p50 ${time(p50_us)}, p99 ${time(p99_us)}, at most ${time(max_us)}, ${stage.count} in ${window_s} s`;
  return (
    <div className="stage" data-testid="stage" data-stage={name}>
      <p className="stage-name" title={words}>
        <b>{stageName(name)}</b>
      </p>
      <dl className="stage-numbers">
        <dt>p50</dt>
        <dd>
          <Num value={time(p50_us)} />
        </dd>
        <dt>p99</dt>
        <dd>
          <Num value={time(p99_us)} />
        </dd>
        <dt>max</dt>
        <dd>
          <Num value={time(max_us)} />
        </dd>
        <dt>n</dt>
        <dd>
          <Num value={count(stage.count)} />
        </dd>
      </dl>
      <div className="bars" role="img" aria-label={`${stageName(name)}: ${words}`}>
        {bars.map(({ label, count: held, share }, index) => (
          <span
            key={label}
            className="stage-bar"
            title={`${label}: ${count(held)}`}
            style={{
              transform: `translateX(${(100 * index) / bars.length}%) scale(${BAR_SHARE / bars.length}, ${share})`,
            }}
          />
        ))}
      </div>
    </div>
  );
}

function time(us: number | null): string {
  return us === null ? MISSING : micros(us);
}
