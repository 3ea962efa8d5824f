import type { ReactNode } from "react";

interface Props<T extends string | null> {
  readonly label: string;
  /** Room for its longest usual option, in characters. */
  readonly width: number;
  readonly value: T;
  readonly options: readonly T[];
  readonly text: (option: T) => string;
  readonly onChange: (option: T) => void;
}

/** One of a few, by its place in the list; a choice that has gone from the list stays readable. */
export function Select<T extends string | null>({
  label,
  width,
  value,
  options,
  text,
  onChange,
}: Props<T>): ReactNode {
  const all = options.includes(value) ? options : [...options, value];
  return (
    <select
      className="button select"
      aria-label={label}
      style={{ width: `calc(${width}ch + 26px)` }}
      value={all.indexOf(value)}
      onChange={({ target }) => {
        const chosen = all[Number(target.value)];
        if (chosen !== undefined) onChange(chosen);
      }}
    >
      {all.map((option, index) => (
        <option key={option} value={index}>
          {text(option)}
        </option>
      ))}
    </select>
  );
}
