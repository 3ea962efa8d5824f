import type { ReactNode } from "react";
import { useHotkey } from "../../ui/hotkey";
import { toggleTheme } from "../../ui/theme";

export function ThemeButton(): ReactNode {
  useHotkey("t", toggleTheme);
  return (
    <button
      type="button"
      className="button"
      aria-label="dark or light (t)"
      title="dark or light (t)"
      onClick={toggleTheme}
    >
      ◑
    </button>
  );
}
