/** Numbers and times as words. Nothing here computes money: prices and sizes stay the venue's own strings. */
export const MISSING = "-";

const COUNT = new Intl.NumberFormat("en-US");

export function count(value: number): string {
  return COUNT.format(value);
}

/** `42 s`, `4 m 12 s`, `3 h 05 m`, `2 d 4 h`; never negative, whatever the clocks say. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (minutes === 0) return `${seconds} s`;
  if (hours === 0) return `${minutes} m ${pad(seconds % 60)} s`;
  if (hours < 24) return `${hours} h ${pad(minutes % 60)} m`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** As `duration`, but exact where it is short: `600 ms`, `3.1 s`. */
export function lapse(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : duration(ms);
}

/** Time of day of an RFC 3339 instant, UTC, to the millisecond. */
export function timeOfDay(timestamp: string): string {
  return timestamp.slice(11, 23);
}

export function utcClock(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
