import type { ReactNode } from "react";

interface Props {
  readonly label: string;
  readonly children: ReactNode;
}

/** A part that scrolls on its own, also by keyboard. */
export function Scroll({ label, children }: Props): ReactNode {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a group of facts is not a fieldset
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1)
    <div className="scroll" role="group" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}
