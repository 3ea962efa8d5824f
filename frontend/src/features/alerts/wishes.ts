/** Which alarms may be told outside of the page, and how, as this browser remembers it; none until a person asks for it. */
import type { Alert } from "../../protocol/messages";

export type Kind = Alert["kind"];
export type Way = "sound" | "notification";
/** A kind of alarm told in one way: `health.sound`. */
export type Wish = `${Kind}.${Way}`;

export const KINDS: readonly Kind[] = ["health", "lint"];
export const WAYS: readonly Way[] = ["sound", "notification"];

const KEY = "alarms";

export function wishFor(kind: Kind, way: Way): Wish {
  return `${kind}.${way}`;
}

export function restoreWishes(): ReadonlySet<Wish> {
  const saved = (localStorage.getItem(KEY) ?? "").split(" ");
  const all = KINDS.flatMap((kind) => WAYS.map((way) => wishFor(kind, way)));
  return new Set(all.filter((wish) => saved.includes(wish)));
}

export function saveWishes(wishes: ReadonlySet<Wish>): void {
  localStorage.setItem(KEY, [...wishes].join(" "));
}
