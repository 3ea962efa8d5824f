import type { ReactNode } from "react";

/** The height of rows of a table that do not exist because they are out of sight. */
export function Gap({ px, columns }: { readonly px: number; readonly columns: number }): ReactNode {
  if (px <= 0) return null;
  return (
    <tr className="gap">
      <td colSpan={columns} style={{ height: px }} />
    </tr>
  );
}
