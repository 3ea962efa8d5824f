import type { ReactNode } from "react";
import type { Column, Sorting } from "./order";

interface Head {
  readonly column: Column;
  readonly label: string;
  readonly className: string;
}

const HEADS: readonly Head[] = [
  { column: "ticker", label: "market", className: "" },
  { column: "book", label: "book", className: "book" },
  { column: "yes_bid_size", label: "size", className: "number size" },
  { column: "yes_bid", label: "bid", className: "number bid" },
  { column: "yes_ask", label: "ask", className: "number ask" },
  { column: "yes_ask_size", label: "size", className: "number size" },
  { column: "updates", label: "updates", className: "number updates" },
  { column: "last_update", label: "age", className: "number age" },
];

export const COLUMNS = HEADS.length;

interface Props {
  readonly sorting: Sorting;
  readonly onSort: (sorting: Sorting) => void;
}

/** Each column sorts; once more turns it round. */
export function TableHead({ sorting, onSort }: Props): ReactNode {
  return (
    <thead>
      <tr aria-rowindex={1}>
        {HEADS.map(({ column, label, className }) => {
          const isSorted = column === sorting.column;
          const direction = sorting.isDescending ? "descending" : "ascending";
          return (
            <th key={column} scope="col" className={className} aria-sort={isSorted ? direction : "none"}>
              <button
                type="button"
                className="sort"
                title={`sort by ${label}`}
                onClick={() => onSort({ column, isDescending: isSorted && !sorting.isDescending })}
              >
                {label}
                <span aria-hidden="true">{isSorted ? (sorting.isDescending ? "▾" : "▴") : ""}</span>
              </button>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}
