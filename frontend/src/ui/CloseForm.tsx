import type { ReactNode } from "react";

/** The end of a dialog that only shows or keeps something: the button closes it, and nothing is sent. */
export function CloseForm(): ReactNode {
  return (
    <form method="dialog">
      <button type="submit" className="button">
        close
      </button>
    </form>
  );
}
