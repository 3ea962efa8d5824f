import { memo } from "react";
import type { Line } from "../../model/model";
import { timeOfDay } from "../../ui/format";
import { LEVEL_GLYPH } from "../../ui/signs";

/** Height of every row; `--log-row` in the style sheet is the same number. */
export const ROW_PX = 22;

export const LogRow = memo(function LogRow({ line }: { readonly line: Line }) {
  return (
    <li
      className="log-row"
      data-testid="terminal-row"
      data-level={line.level}
      data-kind={line.kind}
      title={`${line.timestamp}\n${line.message}\n${line.context}`}
    >
      <time dateTime={line.timestamp}>{timeOfDay(line.timestamp)}</time>
      <span className="level">
        <span aria-hidden="true">{LEVEL_GLYPH[line.level]}</span> {line.level}
      </span>
      <span className="message">
        {line.message}
        {line.context !== "" && <span className="context"> {line.context}</span>}
      </span>
    </li>
  );
});
