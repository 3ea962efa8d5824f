/** Which lines match, kept up as lines come: a new line is tested once, the old ones only when the question changes. */
import type { Line } from "../../model/model";
import type { Ring } from "../../model/ring";
import type { ConsoleLine } from "../../protocol/messages";

export type Level = ConsoleLine["level"];

export const LEVELS: readonly Level[] = ["debug", "info", "warning", "error", "critical"];

export interface Question {
  readonly text: string;
  readonly level: Level;
}

export type Matcher = (lines: Ring<Line>, question: Question) => readonly Line[];

interface Answer {
  readonly lines: Ring<Line>;
  readonly question: Question;
  readonly matches: readonly Line[];
}

export function createMatcher(): Matcher {
  let last: Answer | null = null;

  return (lines, question) => {
    const base =
      last !== null && isSame(last.question, question) && lines.continues(last.lines) ? last : null;
    const found = lines.since(base?.lines).filter((line) => isMatch(line, question));
    const oldestId = lines.at(0)?.id ?? 0;
    const kept = base?.matches ?? [];
    const isTrimmed = (kept[0]?.id ?? oldestId) < oldestId;
    const matches =
      found.length === 0 && !isTrimmed ? kept : [...kept.filter(({ id }) => id >= oldestId), ...found];
    last = { lines, question, matches };
    return matches;
  };
}

function isSame(a: Question, b: Question): boolean {
  return a.text === b.text && a.level === b.level;
}

function isMatch({ level, message, context }: Line, question: Question): boolean {
  if (LEVELS.indexOf(level) < LEVELS.indexOf(question.level)) return false;
  return `${message} ${context}`.toLowerCase().includes(question.text.toLowerCase());
}
