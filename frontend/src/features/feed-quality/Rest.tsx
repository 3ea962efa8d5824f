import type { ReactNode } from "react";
import type { RestReport } from "../../protocol/messages";
import { count } from "../../ui/format";
import { Num } from "../../ui/Num";
import { BREAKER_GLYPH, BREAKER_WORD } from "./words";

/** The way to the exchange's REST: whether it is used, what is left of the rate, whether the clocks agree. */
export function Rest({ rest }: { readonly rest: RestReport | null }): ReactNode {
  if (rest === null)
    return <p className="words none-yet">No REST connection: this trader does not use it here.</p>;
  const { breaker, next_probe_s, last_error, failures, requests, throttled } = rest;
  return (
    <dl className="facts" data-testid="rest" data-breaker={breaker}>
      <dt>REST</dt>
      <dd>
        <span className="fact breaker">
          <span aria-hidden="true">{BREAKER_GLYPH[breaker]}</span> {BREAKER_WORD[breaker]}
        </span>
        {breaker === "open" && (
          <span className="unit"> next try in {Math.max(0, next_probe_s).toFixed(0)} s</span>
        )}
        <span className="unit" data-alarm={failures > 0}>
          {" · "}
          {count(requests)} requests, {count(failures)} failed, {count(throttled)} throttled
        </span>
      </dd>
      <dt>rate left</dt>
      <dd>
        <Bucket label="read" left={rest.read_tokens} capacity={rest.read_capacity} />
        <Bucket label="write" left={rest.write_tokens} capacity={rest.write_capacity} />
      </dd>
      <dt>clock</dt>
      <dd>
        <Num value={rest.is_clock_measured ? `${rest.clock_offset_ms.toFixed(0)} ms` : null} />
        <span className="unit"> from the exchange's</span>
      </dd>
      <dt>last error</dt>
      <dd className={last_error === null ? "unit" : "reason"} title={last_error ?? undefined}>
        {last_error ?? "none"}
      </dd>
    </dl>
  );
}

interface BucketProps {
  readonly label: string;
  readonly left: number;
  readonly capacity: number;
}

/** How much may be asked at once now, of how much at most. */
function Bucket({ label, left, capacity }: BucketProps): ReactNode {
  const share = capacity === 0 ? 0 : Math.min(1, Math.max(0, left / capacity));
  return (
    <span className="bucket">
      {label}{" "}
      <span className="bar" aria-hidden="true" data-alarm={share < 0.2}>
        <span className="bar-fill" style={{ transform: `scaleX(${share})` }} />
      </span>{" "}
      <Num value={`${Math.floor(left)}/${count(capacity)}`} />
    </span>
  );
}
