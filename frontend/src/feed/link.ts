/** How far what is on the screen may be believed. Times are ms of this computer's clock. */
export type LinkStatus = "connecting" | "live" | "silent" | "down";
/** What the light says: the link, or that what is shown is not now because the person wanted it so. */
export type LinkWord = LinkStatus | "paused" | "past";

export interface Link {
  readonly status: LinkStatus;
  readonly sinceMs: number;
  /** When a frame last arrived; null before the first. */
  readonly heardAtMs: number | null;
  /** When the next attempt starts, while there is no socket. */
  readonly retryAtMs: number | null;
  /** Server clock minus this computer's, so that ages are right on a computer whose clock is not. */
  readonly skewMs: number;
}

export const NOT_YET: Link = {
  status: "connecting",
  sinceMs: Date.now(),
  heardAtMs: null,
  retryAtMs: null,
  skewMs: 0,
};
