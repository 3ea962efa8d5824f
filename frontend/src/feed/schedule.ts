/** Runs the flush once: on the next animation frame, or after 250 ms where a hidden tab has no frames. */
export type Schedule = (flush: () => void) => void;

const HIDDEN_FLUSH_MS = 250;

export const onNextFrame: Schedule = (flush) => {
  const once = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    flush();
  };
  const frame = requestAnimationFrame(once);
  const timer = setTimeout(once, HIDDEN_FLUSH_MS);
};
