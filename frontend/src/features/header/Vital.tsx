import type { ReactNode } from "react";

interface Props {
  readonly name: string;
  readonly title: string;
  /** Room for its longest usual text, in characters, so that a growing number moves nothing. */
  readonly width: number;
  readonly isAlarm?: boolean;
  readonly children: ReactNode;
}

/** One number of the header with its name. */
export function Vital({ name, title, width, isAlarm = false, children }: Props): ReactNode {
  return (
    <div title={title} data-alarm={isAlarm}>
      <dt>{name}</dt>
      <dd style={{ minWidth: `${width}ch` }}>{children}</dd>
    </div>
  );
}
