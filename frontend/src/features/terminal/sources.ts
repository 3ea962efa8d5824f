/** Who has said something, in alphabetical order; the same array until somebody new speaks. */
import type { Line } from "../../model/model";
import type { Ring } from "../../model/ring";

export function createSources(): (lines: Ring<Line>) => readonly string[] {
  let last: Ring<Line> | undefined;
  let known = new Set<string>();
  let names: readonly string[] = [];

  return (lines) => {
    if (last !== undefined && !lines.continues(last)) {
      last = undefined;
      known = new Set();
    }
    for (const { source } of lines.since(last)) known.add(source);
    last = lines;
    if (known.size !== names.length || !names.every((name) => known.has(name))) names = [...known].toSorted();
    return names;
  };
}
