import { memo } from "react";
import type { TimeZone } from "../../model/view";
import { timeOfDay } from "../../ui/format";
import { LEVEL_GLYPH } from "../../ui/signs";
import type { Row } from "./filter";

/** Height of every row; `--log-row` in the style sheet is the same number. */
export const ROW_PX = 22;

interface Props {
  readonly row: Row;
  readonly tz: TimeZone;
  readonly isChosen: boolean;
  readonly isMarked: boolean;
}

export const LogRow = memo(function LogRow({ row: { line, part }, tz, isChosen, isMarked }: Props) {
  if (part === "reason") {
    return (
      <li className="log-row reason-row" data-id={line.id} data-chosen={isChosen} title={line.context}>
        {line.context}
      </li>
    );
  }
  return (
    <li
      className="log-row"
      data-testid="terminal-row"
      data-id={line.id}
      data-level={line.level}
      data-kind={line.kind}
      data-chosen={isChosen}
      title={`${line.timestamp}\n${line.message}\n${line.context}`}
    >
      <span className="mark">{isMarked && "★"}</span>
      {line.kind === "transition" ? (
        <span className="message">
          [{timeOfDay(line.timestamp, tz).slice(0, 8)}] {line.message}
        </span>
      ) : (
        <>
          <time dateTime={line.timestamp}>{timeOfDay(line.timestamp, tz)}</time>
          <span className="level">
            <span aria-hidden="true">{LEVEL_GLYPH[line.level]}</span> {line.level}
          </span>
          <span className="source">{line.source}</span>
          <span className="message">
            {line.message}
            {line.context !== "" && <span className="context"> {line.context}</span>}
          </span>
        </>
      )}
      {line.seq !== null && <span className="line-seq">#{line.seq}</span>}
    </li>
  );
});
