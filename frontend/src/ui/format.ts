/** Numbers and times as words. Nothing here computes money: prices and sizes stay the venue's own strings. */
import type { TimeZone } from "../model/view";

export const MISSING = "-";

const COUNT = new Intl.NumberFormat("en-US");

export function count(value: number): string {
  return COUNT.format(value);
}

/** Dollars as people read them: the trader's own text, without the zeros behind its cents. `10.870000` is `$10.87`. */
export function dollars(money: string): string {
  const [, sign = "", whole = "", fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(money) ?? [];
  if (whole === "") return money;
  const shown = fraction.replace(/0+$/, "").padEnd(2, "0");
  return `${sign}$${whole.replace(/\B(?=(\d{3})+$)/g, ",")}.${shown}`;
}

/** As `dollars`, with its direction said, not only coloured: `▲ +$1.00`, `▼ -$0.50`, `$0.00`. */
export function gain(money: string): string {
  if (/^-?0+(\.0*)?$/.test(money)) return "$0.00";
  return money.startsWith("-") ? `▼ ${dollars(money)}` : `▲ +${dollars(money)}`;
}

const BRIEF = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

/** `1.2K`, where there is no room for more. */
export function brief(value: number): string {
  return BRIEF.format(value);
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

/** Time of day of an RFC 3339 instant, to the millisecond; the trader's own text where UTC is wanted. */
export function timeOfDay(timestamp: string, tz: TimeZone = "utc"): string {
  if (tz === "utc") return timestamp.slice(11, 23);
  const at = new Date(timestamp);
  return `${localClock(at)}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** The time of day now, to the second. */
export function wallClock(ms: number, tz: TimeZone): string {
  const at = new Date(ms);
  return tz === "utc" ? at.toISOString().slice(11, 19) : localClock(at);
}

const EASTERN = new Intl.DateTimeFormat("en-US", {
  timeZone: "America/New_York",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
  timeZoneName: "short",
});

/** One instant for a hover: UTC, local, the exchange's time, and its age. */
export function moments(timestamp: string, nowMs: number): string {
  const at = new Date(timestamp);
  const ageMs = nowMs - at.getTime();
  const age = ageMs >= 0 ? `${duration(ageMs)} ago` : `in ${duration(-ageMs)}`;
  return [`${timestamp} UTC`, `${localClock(at)} local`, `${EASTERN.format(at)} at the exchange`, age].join(
    "\n",
  );
}

function localClock(at: Date): string {
  return `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
