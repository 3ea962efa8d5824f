import type { ReactNode, Ref } from "react";
import { LEVELS, type Level } from "./filter";

interface Props {
  readonly ref: Ref<HTMLInputElement>;
  readonly text: string;
  readonly level: Level;
  readonly onText: (text: string) => void;
  readonly onLevel: (level: Level) => void;
}

export function Toolbar({ ref, text, level, onText, onLevel }: Props): ReactNode {
  return (
    <>
      <input
        ref={ref}
        type="search"
        className="filter"
        data-testid="filter"
        aria-label="filter the lines ( / )"
        placeholder="filter  /"
        value={text}
        onChange={(event) => onText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          onText("");
          event.currentTarget.blur();
        }}
      />
      <select
        className="button"
        aria-label="lowest level shown"
        value={level}
        onChange={(event) => onLevel(LEVELS.find((one) => one === event.target.value) ?? "debug")}
      >
        {LEVELS.map((one) => (
          <option key={one} value={one}>
            {one === "critical" ? one : `${one}+`}
          </option>
        ))}
      </select>
    </>
  );
}
