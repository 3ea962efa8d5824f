import type { ReactNode } from "react";
import type { TreeNode } from "../../model/model";
import { Time } from "../../ui/Time";
import { VerbButton } from "../../ui/VerbButton";
import { mailboxWords } from "./MailboxBar";
import { budgetWords } from "./policy";

interface Props {
  readonly node: TreeNode;
  readonly onClose: () => void;
}

/** One actor in full, with what can be done about it. Lies over the tree, so that no row moves. */
export function ActorDetails({ node, onClose }: Props): ReactNode {
  const { name, kind, status, since, strategy, restarts, last_error, mailbox } = node;
  return (
    <aside className="details actor-details" aria-label={`${name} in full`} data-testid="actor-details">
      <div className="details-head">
        <span className="details-title">{name}</span>
        {kind === "worker" && (
          <VerbButton verb="restart_actor" args={{ name }} label="↻ restart" name={`restart ${name}`} />
        )}
        <button type="button" className="button" title="close (Enter)" aria-label="close" onClick={onClose}>
          ✕
        </button>
      </div>
      <p>
        {status} since <Time at={since} /> · restarted {restarts} {restarts === 1 ? "time" : "times"}
        {strategy != null && ` · ${strategy}`}
      </p>
      {last_error === null ? (
        <p>No error since the process started.</p>
      ) : (
        <p className="last-error">{last_error}</p>
      )}
      {node.budget != null && <p className="fact">{budgetWords(node)}</p>}
      {mailbox && <p className="fact">{mailboxWords(mailbox)}</p>}
    </aside>
  );
}
