/** Every key of the console. Handlers may only take keys of this table, and the help is drawn from it. */
export const KEYS = [
  { keys: ["/"], what: "filter the events" },
  { keys: [" "], what: "pause or resume the view; intake goes on" },
  { keys: ["g"], what: "newest event" },
  { keys: ["j", "k"], what: "next, previous row" },
  { keys: ["Enter"], what: "expand the row" },
  { keys: ["c"], what: "copy the line" },
  { keys: ["C"], what: "copy what is visible, as text" },
  { keys: ["s"], what: "save as NDJSON" },
  { keys: ["m"], what: "mark the row" },
  { keys: ["1", "2", "3", "4", "5"], what: "events, orders, positions, decisions, risk" },
  { keys: ["[", "]"], what: "previous, next transition" },
  { keys: ["Escape"], what: "back to now" },
  { keys: ["u"], what: "UTC or local time" },
  { keys: [",", "."], what: "previous, next market" },
  { keys: ["t"], what: "dark or light" },
  { keys: ["?"], what: "this help" },
  { keys: ["K"], what: "halt trading (Shift+K)" },
] as const;

export type Key = (typeof KEYS)[number]["keys"][number];

const NAMES: Readonly<Partial<Record<Key, string>>> = {
  " ": "Space",
  Escape: "Esc",
  K: "Shift+K",
  C: "Shift+C",
};

/** How the key is written on a keyboard. */
export function keyName(key: Key): string {
  return NAMES[key] ?? key;
}
