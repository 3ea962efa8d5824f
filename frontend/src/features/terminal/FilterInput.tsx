import type { ReactNode } from "react";

interface Props {
  readonly text: string;
  readonly onText: (text: string) => void;
}

/** Keeps its own text: what is typed must not wait for the next frame. */
export function FilterInput({ text, onText }: Props): ReactNode {
  return (
    <input
      id="filter"
      type="search"
      className="filter"
      data-testid="filter"
      aria-label="filter the events ( / )"
      placeholder="filter  /"
      defaultValue={text}
      onChange={({ target }) => onText(target.value)}
      onKeyDown={({ key, currentTarget }) => {
        if (key !== "Escape") return;
        currentTarget.value = "";
        onText("");
        currentTarget.blur();
      }}
    />
  );
}
