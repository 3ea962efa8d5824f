import type { ReactNode } from "react";
import { LEVELS, LINE_KINDS, SPANS, type View } from "../../model/view";
import { useHotkey } from "../../ui/hotkey";
import { FilterInput } from "./FilterInput";
import { Select } from "./Select";

interface Props {
  readonly view: View;
  readonly sources: readonly string[];
  readonly onChange: (change: Partial<View>) => void;
  readonly children: ReactNode;
}

/** What to show of the events. Every part has a fixed width: no growing number moves another. */
export function Toolbar({ view, sources, onChange, children }: Props): ReactNode {
  const { level, source, kind, span } = view;
  useHotkey("/", () => document.getElementById("filter")?.focus());
  return (
    <div className="toolbar" role="toolbar" aria-label="Which events are shown">
      <FilterInput text={view.text} onText={(text) => onChange({ text })} />
      <Select
        label="lowest level shown"
        width={8}
        value={level}
        options={LEVELS}
        text={(one) => (one === "critical" ? one : `${one}+`)}
        onChange={(one) => onChange({ level: one })}
      />
      <Select
        label="source shown"
        width={7}
        value={source}
        options={[null, ...sources]}
        text={(one) => one ?? "source"}
        onChange={(one) => onChange({ source: one })}
      />
      <Select
        label="kind shown"
        width={10}
        value={kind}
        options={[null, ...LINE_KINDS]}
        text={(one) => one ?? "kind"}
        onChange={(one) => onChange({ kind: one })}
      />
      <Select
        label="how far back"
        width={3}
        value={span}
        options={SPANS}
        text={(one) => one}
        onChange={(one) => onChange({ span: one })}
      />
      {children}
    </div>
  );
}
