/** Dark or light: the system's choice until the person makes one, which is remembered. */
type Theme = "dark" | "light";

const KEY = "theme";

export function restoreTheme(): void {
  const saved = localStorage.getItem(KEY);
  if (saved === "dark" || saved === "light") document.documentElement.dataset.theme = saved;
}

export function toggleTheme(): void {
  const next: Theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem(KEY, next);
}

function isDark(): boolean {
  const chosen = document.documentElement.dataset.theme;
  return chosen === undefined ? !matchMedia("(prefers-color-scheme: light)").matches : chosen === "dark";
}
