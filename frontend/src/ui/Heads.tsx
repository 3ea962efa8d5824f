import type { ReactNode } from "react";

export interface Head {
  readonly name: string;
  /** How the column looks; `number` stands to the right. */
  readonly className?: string;
  /** For screen readers alone. */
  readonly isUnseen?: boolean;
}

/** The head of a table that does not sort. */
export function Heads({ of: heads }: { readonly of: readonly Head[] }): ReactNode {
  return (
    <thead>
      <tr>
        {heads.map(({ name, className, isUnseen = false }) => (
          <th key={name} scope="col" className={className}>
            {isUnseen ? <span className="unseen">{name}</span> : name}
          </th>
        ))}
      </tr>
    </thead>
  );
}
