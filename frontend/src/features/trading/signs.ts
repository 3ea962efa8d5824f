/** Glyph and word for what an order is, because colour is never the only sign. */
const ORDER_GLYPH: ReadonlyMap<string, string> = new Map([
  ["intended", "◌"],
  ["sent", "◌"],
  ["unknown", "?"],
  ["resting", "●"],
  ["filled", "✓"],
  ["cancelled", "○"],
  ["rejected", "✕"],
  ["void", "∅"],
]);

export function orderGlyph(state: string): string {
  return ORDER_GLYPH.get(state) ?? "·";
}
