/**
 * Text frames in, messages out: the only place where `unknown` becomes a type.
 *
 * Checked is what this page relies on: the envelope, a kind we know, and every required field of its struct. A frame
 * that is not that is counted and left out; it can never reach the model half-formed.
 */
import { type Message, REQUIRED } from "./messages";

export interface Decoded {
  readonly messages: readonly Message[];
  readonly rejected: number;
}

const REQUIRED_BY_KIND: ReadonlyMap<string, readonly string[]> = new Map(Object.entries(REQUIRED));
const UNREADABLE: Decoded = { messages: [], rejected: 1 };

export function decode(text: string): Decoded {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    return UNREADABLE;
  }
  if (isMessage(frame)) return { messages: [frame], rejected: 0 };
  if (
    !isRecord(frame) ||
    frame.type !== "batch" ||
    !isRecord(frame.data) ||
    !Array.isArray(frame.data.items)
  ) {
    return UNREADABLE;
  }
  const items: readonly unknown[] = frame.data.items;
  const messages = items.filter(isMessage);
  return { messages, rejected: items.length - messages.length };
}

function isMessage(value: unknown): value is Message {
  if (!isRecord(value) || typeof value.type !== "string" || !isRecord(value.data)) return false;
  if (typeof value.seq !== "number" || typeof value.timestamp !== "string") return false;
  const { data } = value;
  if (value.type === "connection" && data.protocol !== 1) return false;
  return REQUIRED_BY_KIND.get(value.type)?.every((field) => field in data) ?? false;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
