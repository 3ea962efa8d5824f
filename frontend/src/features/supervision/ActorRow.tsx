import type { ReactNode } from "react";
import type { TreeNode } from "../../model/model";
import { Num } from "../../ui/Num";
import { actorGlyph } from "../../ui/signs";
import { MailboxBar } from "./MailboxBar";

interface Props {
  readonly node: TreeNode;
  readonly depth: number;
}

export function ActorRow({ node, depth }: Props): ReactNode {
  const { name, kind, status, since, strategy, restarts, last_error, mailbox } = node;
  return (
    <tr className="actor" data-testid="actor" data-actor={name} data-status={status} data-kind={kind}>
      <th scope="row" style={{ paddingInlineStart: `calc(${depth} * var(--indent) + 8px)` }}>
        {name}
        {kind === "supervisor" && <span className="strategy"> {strategy}</span>}
        {last_error !== null && (
          <span className="last-error" title={last_error}>
            {last_error}
          </span>
        )}
      </th>
      <td className="status fact" title={`since ${since}`}>
        <span aria-hidden="true">{actorGlyph(status)}</span> {status}
      </td>
      <td className="number restarts" data-alarm={restarts > 0}>
        <Num value={restarts} />
      </td>
      <td className="number mailbox-cell">{mailbox ? <MailboxBar mailbox={mailbox} /> : null}</td>
      <td className="number dropped" data-alarm={(mailbox?.dropped ?? 0) > 0}>
        {mailbox ? <Num value={mailbox.dropped} /> : null}
      </td>
    </tr>
  );
}
