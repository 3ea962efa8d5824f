import { memo } from "react";
import { Num } from "../../ui/Num";
import { actorGlyph } from "../../ui/signs";
import { Backoff } from "./Backoff";
import type { Row } from "./flatten";
import { MailboxBar } from "./MailboxBar";
import { policyWords } from "./policy";
import { Uptime } from "./Uptime";

interface Props extends Row {
  readonly isCurrent: boolean;
}

/** One actor on one line; what has no room is told below the tree. */
export const ActorRow = memo(function ActorRow({ node, depth, place, siblings, isCurrent }: Props) {
  const { name, kind, status, since, restarts, last_error, mailbox } = node;
  const isDown = status !== "running" && last_error !== null;
  return (
    <div
      className="actor"
      role="treeitem"
      aria-level={depth + 1}
      aria-posinset={place}
      aria-setsize={siblings}
      aria-selected={isCurrent}
      tabIndex={isCurrent ? 0 : -1}
      data-testid="actor"
      data-actor={name}
      data-status={status}
      data-kind={kind}
    >
      <span className="name" style={{ paddingInlineStart: `calc(${depth} * var(--indent))` }} title={name}>
        {name}
      </span>
      <span className="status fact">
        <span aria-hidden="true">{actorGlyph(status)}</span> {status}
      </span>
      <span className="uptime">
        <Uptime since={since} />
      </span>
      <span className="restarts" data-alarm={restarts > 0} title={`restarted ${restarts} times`}>
        {restarts > 0 && <Num value={`↻${restarts}`} />}
      </span>
      {isDown ? (
        <span className="last-error" title={last_error}>
          {node.backoff_until != null && <Backoff until={node.backoff_until} />} {last_error}
        </span>
      ) : mailbox ? (
        <>
          <MailboxBar mailbox={mailbox} />
          <span className="dropped" data-alarm={mailbox.dropped > 0} title={`${mailbox.dropped} lost`}>
            {mailbox.dropped > 0 && <Num value={`−${mailbox.dropped}`} />}
          </span>
        </>
      ) : (
        <span className="strategy">{policyWords(node)}</span>
      )}
    </div>
  );
});
