/**
 * A WebSocket that comes back: capped backoff with jitter, reset only by a frame that arrived, not by an open alone.
 *
 * It must never queue what it cannot send now: a "resume" clicked in an outage would fire minutes later.
 */
export const BACKOFF_MS_FIRST = 250;
export const BACKOFF_MS_MAX = 3_000;
export const HANDSHAKE_MS_MAX = 5_000;

export interface SocketHandlers {
  /** Asked before every attempt, because where to resume changes. */
  readonly url: () => string;
  readonly onText: (text: string) => void;
  readonly onDown: (retryAtMs: number) => void;
}

export interface Socket {
  /** False, and nothing sent, unless the socket is open now. */
  readonly send: (text: string) => boolean;
  /** Give this connection up and start the next, as if it had closed. */
  readonly reopen: () => void;
  readonly close: () => void;
}

export function openSocket(handlers: SocketHandlers, random: () => number = Math.random): Socket {
  let socket: WebSocket;
  let failures = 0;
  let timer: ReturnType<typeof setTimeout>;

  const abandon = () => {
    clearTimeout(timer);
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  };
  const retry = () => {
    abandon();
    const ceiling = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_FIRST * 2 ** failures);
    const delay = ceiling * (0.5 + random() / 2);
    failures += 1;
    timer = setTimeout(open, delay);
    handlers.onDown(Date.now() + delay);
  };
  const open = () => {
    socket = new WebSocket(handlers.url());
    timer = setTimeout(retry, HANDSHAKE_MS_MAX);
    socket.onopen = () => clearTimeout(timer);
    socket.onclose = retry;
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      failures = 0;
      if (typeof data === "string") handlers.onText(data);
    };
  };

  open();
  return {
    send: (text) => {
      if (socket.readyState !== WebSocket.OPEN) return false;
      socket.send(text);
      return true;
    },
    reopen: retry,
    close: abandon,
  };
}
