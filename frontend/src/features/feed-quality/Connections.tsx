import type { ReactNode } from "react";
import type { ConnectionReport } from "../../protocol/messages";
import { duration } from "../../ui/format";
import { type Head, Heads } from "../../ui/Heads";
import { Num } from "../../ui/Num";
import { VerbButton } from "../../ui/VerbButton";
import { CONNECTION_GLYPH } from "./words";

const HEADS: readonly Head[] = [
  { name: "connection" },
  { name: "link", className: "link-column" },
  { name: "live", className: "number" },
  { name: "heard", className: "number heard" },
  { name: "what can be done", className: "number act", isUnseen: true },
];

/** Each socket to the exchange: how it stands and why, and how old what it brought last is. */
export function Connections({
  connections,
}: {
  readonly connections: readonly ConnectionReport[];
}): ReactNode {
  if (connections.length === 0) return <p className="words">No connection to the exchange is configured.</p>;
  return (
    <table className="connections">
      <Heads of={HEADS} />
      <tbody>
        {connections.map(({ name, link, reason, markets, live, last_message_age_ms }) => (
          <tr key={name} className="connection" data-testid="connection" data-link={link} title={reason}>
            <th scope="row">{name}</th>
            <td className="fact connection-link">
              <span aria-hidden="true">{CONNECTION_GLYPH[link]}</span> {link}
              {link !== "connected" && <span className="reason"> {reason}</span>}
            </td>
            <td className="number">
              <Num value={`${live}/${markets}`} />
            </td>
            <td className="number">
              <Num value={last_message_age_ms === null ? null : `${duration(last_message_age_ms)} ago`} />
            </td>
            <td className="number">
              <VerbButton verb="reconnect" args={{ connection: name }} label="↻" name={`reconnect ${name}`} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
