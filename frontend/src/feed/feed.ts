/**
 * The wire to the trader: socket → decode → store, the watch over its silence, and what this page asks for.
 *
 * `live` needs an open socket, a model in sync and a frame within three heartbeats. Anything less is shown as such.
 */
import { decode } from "../protocol/decode";
import type { LinkStatus } from "./link";
import { openSocket, type Socket } from "./socket";
import { chosenMarket, type Store } from "./store";

const HEARTBEATS_MISSED_MAX = 3;
const SILENCE_MS_MIN = 3_000;
/** A socket that says nothing for this long is half open: its other end is gone. Begin anew. */
export const GIVE_UP_MS = 10_000;
const BATCH_MS = 50;
/** Less than this is batching and scheduling, not a wrong clock. */
const SKEW_MS_NOTICED = 500;
export const PING_MS = 2_000;
const UTF_8 = new TextEncoder();

export function startFeed(store: Store, location: Pick<Location, "protocol" | "host">): Socket {
  let silence: ReturnType<typeof setTimeout>;
  let status: LinkStatus = "connecting";
  let sinceMs = Date.now();
  let heardAtMs: number | null = null;
  let skewMs = 0;
  let pingedAtMs: number | null = null;
  /** The market whose book this socket was asked for; undefined: none yet. */
  let watched: string | null | undefined;

  const show = (next: LinkStatus, retryAtMs: number | null = null) => {
    if (next !== status) sinceMs = Date.now();
    status = next;
    store.setLink({ status, sinceMs, heardAtMs, retryAtMs, skewMs });
  };
  const correctSkew = (heartbeat: string) => {
    const measuredMs = Date.parse(heartbeat) - Date.now();
    if (Math.abs(measuredMs - skewMs) < SKEW_MS_NOTICED) return;
    skewMs = measuredMs;
    show(status);
  };
  const onText = (text: string) => {
    const { messages, rejected } = decode(text);
    store.push(messages, rejected, UTF_8.encode(text).length);
    if (messages.length === 0) return; // noise is not a sign of life
    heardAtMs = Date.now();
    watch();
    for (const message of messages) {
      if (message.type === "heartbeat") correctSkew(message.timestamp);
      else if (message.type === "connection") watched = undefined;
      else if (message.type === "pong" && pingedAtMs !== null) {
        store.setRoundTrip(performance.now() - pingedAtMs);
        pingedAtMs = null;
      }
    }
    if (status !== "live" && store.latest().live.isSynced) show("live");
    askForBook();
  };
  /** The chosen market's book, once for each choice and each socket. */
  const askForBook = () => {
    if (status !== "live") return;
    const { live, view } = store.latest();
    const market = chosenMarket({ model: live, view });
    if (market === watched) return;
    const books = market === null ? [] : [market];
    if (!socket.send(JSON.stringify({ type: "subscribe", data: { books } }))) return;
    watched = market;
    store.keepBooks(books);
  };
  const ping = () => {
    if (status === "live" && socket.send(JSON.stringify({ type: "ping" }))) pingedAtMs = performance.now();
  };
  const watch = () => {
    clearTimeout(silence);
    const heartbeatMs = 1000 * (store.latest().live.connection?.heartbeat_s ?? 1);
    const patience = Math.max(SILENCE_MS_MIN, HEARTBEATS_MISSED_MAX * heartbeatMs);
    silence = setTimeout(() => {
      show("silent");
      silence = setTimeout(() => socket.reopen(), GIVE_UP_MS);
    }, patience);
  };
  const onDown = (retryAtMs: number) => {
    clearTimeout(silence);
    pingedAtMs = null;
    show(heardAtMs === null ? "connecting" : "down", retryAtMs);
  };

  const socket = openSocket({ url: () => socketUrl(location, store), onText, onDown });
  const forget = store.subscribe(askForBook);
  const pinging = setInterval(ping, PING_MS);
  return {
    ...socket,
    close: () => {
      clearTimeout(silence);
      clearInterval(pinging);
      forget();
      socket.close();
    },
  };
}

function socketUrl({ protocol, host }: Pick<Location, "protocol" | "host">, store: Store): string {
  const { connection, seq } = store.latest().live;
  const query = new URLSearchParams({ batch_ms: String(BATCH_MS) });
  if (connection !== null) {
    query.set("epoch", connection.epoch);
    query.set("last_seq", String(seq));
  }
  return `${protocol === "https:" ? "wss" : "ws"}://${host}/v3/ws?${query}`;
}
