import { type ReactNode, useState } from "react";
import { useConsole, useStore } from "../../feed/hooks";
import { lineText } from "../../model/lines";
import { brief, count } from "../../ui/format";
import { useHotkey } from "../../ui/hotkey";
import { Known } from "../../ui/Known";
import { useRows } from "../../ui/useRows";
import { Words } from "../../ui/Words";
import { Details } from "./Details";
import { createMatcher, firstWithin, indexOfLine, neighbour } from "./filter";
import { ROW_PX } from "./LogRow";
import { LogWindow } from "./LogWindow";
import { saveAs, toNdjson } from "./save";
import { createSources } from "./sources";
import { Toolbar } from "./Toolbar";
import { useChoice } from "./useChoice";

/** Everything that happened, a line each. Held or in the past the view stands still while intake goes on. */
export function Events(): ReactNode {
  const store = useStore();
  const lines = useConsole((state) => state.model.lines);
  // To the second, and only where it matters: every message moves it.
  const nowMs = useConsole(({ model, view: { span } }) =>
    span === "all" || model.atMs === null ? null : Math.floor(model.atMs / 1_000) * 1_000,
  );
  const view = useConsole((state) => state.view);
  const [match] = useState(createMatcher);
  const [sourcesOf] = useState(createSources);

  const rows = match(lines, view);
  const from = firstWithin(rows, lines, { span: view.span, nowMs });
  const shownCount = rows.length - from;
  const sight = useRows({
    count: shownCount,
    rowPx: ROW_PX,
    follow: true,
    gone: rows.total - shownCount,
  });
  const choice = useChoice(lines);
  const step = (by: 1 | -1) => {
    const line = neighbour(rows, from, choice.line, by);
    if (line === undefined) return;
    choice.choose(line);
    sight.reveal(indexOfLine(rows, line.id) - from);
  };
  const shown = () =>
    rows
      .slice(from)
      .filter(({ part }) => part === "line")
      .map(({ line }) => line);
  const copy = () => navigator.clipboard.writeText(shown().map(lineText).join("\n"));
  const save = () => saveAs(`events-${store.getSnapshot().model.seq}.ndjson`, toNdjson(shown()));
  useHotkey("j", () => step(1));
  useHotkey("k", () => step(-1));
  useHotkey("g", sight.toEnd);
  useHotkey("C", copy);
  useHotkey("s", save);

  const first = rows.at(from);
  const matching = first === undefined || rows.last === undefined ? 0 : rows.last.nth - first.nth + 1;
  return (
    <>
      <Toolbar view={view} sources={sourcesOf(lines)} onChange={store.setView}>
        <button
          type="button"
          className="button"
          aria-label="newest event (g)"
          title="newest event (g)"
          onClick={sight.toEnd}
        >
          ↓
        </button>
        <button type="button" className="button" title="copy what is shown, as text (Shift+C)" onClick={copy}>
          copy
        </button>
        <button type="button" className="button" title="save what is shown as NDJSON (s)" onClick={save}>
          save
        </button>
        <Known>
          <span
            className="fact shown-count"
            data-testid="shown-count"
            title={`${count(matching)} of ${count(lines.length)} events`}
          >
            {matching === lines.length ? count(matching) : `${brief(matching)}/${brief(lines.length)}`}
          </span>
        </Known>
      </Toolbar>
      <div className="log-frame">
        {shownCount === 0 ? (
          <Words
            connecting="The events begin with the first answer of the trader."
            empty={lines.length === 0 ? "Nothing has happened yet." : "No event matches the filter."}
          />
        ) : (
          <LogWindow
            rows={rows}
            from={from}
            in={sight}
            tz={view.tz}
            chosen={choice.line}
            marks={choice.marks}
            onChoose={choice.open}
          />
        )}
        {choice.line !== null && choice.isOpen && (
          <Details
            line={choice.line}
            isMarked={choice.marks.has(choice.line)}
            onMark={choice.mark}
            onGoThere={(at) => store.setView({ at })}
            onClose={choice.close}
          />
        )}
      </div>
    </>
  );
}
