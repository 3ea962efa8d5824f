/** Notifications of the browser: whether it shows any, and one for an alarm. */
import type { Alert } from "../../protocol/messages";
import { LEVEL_GLYPH } from "../../ui/signs";

/** Why the browser shows none, as a sentence; null: it does. */
export function noticeTrouble(): string | null {
  if (!("Notification" in window)) return "This browser has no notifications.";
  return troubleWith(Notification.permission);
}

/** Asks the person; only to be called for a click. Returns as `noticeTrouble`. */
export async function askForNotices(): Promise<string | null> {
  return "Notification" in window ? troubleWith(await Notification.requestPermission()) : noticeTrouble();
}

/** `more`: how many others came with it. A notice of the same alert takes the place of the one before. */
export function notify({ id, level, component, message }: Alert, more: number, environment: string): void {
  if (noticeTrouble() !== null) return;
  const title = `${LEVEL_GLYPH[level]} ${environment.toUpperCase()} · ${component}`;
  const body = more === 0 ? message : `${message} (and ${more} more)`;
  try {
    const notice = new Notification(title, { body, tag: id });
    notice.onclick = () => window.focus();
  } catch (error) {
    // Some browsers, those of Android, have the word and the permission but no such constructor.
    if (!(error instanceof TypeError)) throw error;
  }
}

function troubleWith(permission: NotificationPermission): string | null {
  if (permission === "granted") return null;
  return permission === "denied"
    ? "Notifications are denied: the browser's settings for this page have the last word."
    : "Notifications are not allowed yet: the browser's question was left without an answer.";
}
