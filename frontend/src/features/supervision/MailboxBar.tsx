import type { ReactNode } from "react";
import type { MailboxReport } from "../../protocol/messages";
import { count } from "../../ui/format";

/** How full a mailbox is, and (as a tick) how full it has ever been. */
export function MailboxBar({ mailbox }: { readonly mailbox: MailboxReport }): ReactNode {
  const { depth, capacity, high_water } = mailbox;
  const share = (part: number) => (capacity === 0 ? 0 : Math.min(1, part / capacity));
  return (
    <>
      <span className="bar" aria-hidden="true" data-alarm={share(depth) > 0.8}>
        <span className="bar-fill" style={{ transform: `scaleX(${share(depth)})` }} />
        <span className="bar-mark" style={{ transform: `translateX(${share(high_water) * 100}%)` }} />
      </span>
      <span className="fact depth-of" title={mailboxWords(mailbox)}>
        {count(depth)}/{short(capacity)}
      </span>
    </>
  );
}

/** `10k` where it is exact: what is read here is whether it fills up. */
function short(capacity: number): string {
  return capacity >= 1_000 && capacity % 1_000 === 0 ? `${capacity / 1_000}k` : count(capacity);
}

/** The whole account of a mailbox as a sentence. */
export function mailboxWords(mailbox: MailboxReport): string {
  const { depth, capacity, policy, accepted, dropped, conflated, high_water, oldest_ms } = mailbox;
  return [
    `${count(depth)} of ${count(capacity)} wait, at most ${count(high_water)} ever`,
    `the oldest for ${Math.max(0, Math.round(oldest_ms))} ms`,
    `${count(accepted)} accepted, ${count(conflated)} conflated, ${count(dropped)} lost (${policy})`,
  ].join("; ");
}
