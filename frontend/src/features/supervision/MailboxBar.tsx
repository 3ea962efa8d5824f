import type { ReactNode } from "react";
import type { MailboxReport } from "../../protocol/messages";
import { count } from "../../ui/format";

/** How full a mailbox is, and (as a tick) how full it has ever been. */
export function MailboxBar({ mailbox }: { readonly mailbox: MailboxReport }): ReactNode {
  const { depth, capacity, policy, accepted, conflated, high_water, oldest_ms } = mailbox;
  const share = (part: number) => (capacity === 0 ? 0 : Math.min(1, part / capacity));
  const title = `${policy}: ${count(accepted)} accepted, ${count(conflated)} conflated, at most ${high_water} waited, the oldest for ${oldest_ms} ms`;
  return (
    <span className="mailbox" title={title}>
      <span className="bar" aria-hidden="true" data-alarm={share(depth) > 0.8}>
        <span className="bar-fill" style={{ transform: `scaleX(${share(depth)})` }} />
        <span className="bar-mark" style={{ left: `${share(high_water) * 100}%` }} />
      </span>
      <span className="fact">
        {count(depth)}/{count(capacity)}
      </span>
    </span>
  );
}
