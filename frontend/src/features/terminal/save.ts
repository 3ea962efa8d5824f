/** Lines as files: newline-delimited JSON, one object a line, in the order in which they stand. */
import type { Line } from "../../model/model";

export function toNdjson(lines: readonly Line[]): string {
  const rows = lines.map(({ seq, timestamp, kind, level, source, message, context, data }) =>
    JSON.stringify({ seq, timestamp, kind, level, source, message, context, data }),
  );
  return rows.map((row) => `${row}\n`).join("");
}

/** Hands the text to the browser as a download. */
export function saveAs(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/x-ndjson" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
