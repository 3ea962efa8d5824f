/** A short tone that the browser makes itself: no file, nothing to fetch. */
import type { Alert } from "../../protocol/messages";

const HZ: Readonly<Record<Alert["level"], number>> = { warning: 660, error: 880 };
const LOUDNESS = 0.2;
const TONE_S = 0.3;
const FADE_S = 0.04;
/** A browser may hold sound back; what comes later than this is no alarm any more. */
const LATE_MS = 1_000;

export type Tone = (level: Alert["level"]) => Promise<void>;

export function createTone(): Tone {
  let audio: AudioContext | undefined;
  return async (level) => {
    // Until a person has touched the page it may make no sound.
    if (!navigator.userActivation.hasBeenActive) return;
    audio ??= new AudioContext();
    const askedAtMs = performance.now();
    await audio.resume();
    if (performance.now() - askedAtMs > LATE_MS) return;
    const endS = audio.currentTime + TONE_S;
    const source = new OscillatorNode(audio, { frequency: HZ[level] });
    const volume = new GainNode(audio, { gain: LOUDNESS });
    volume.gain.setTargetAtTime(0, endS - 4 * FADE_S, FADE_S);
    source.connect(volume).connect(audio.destination);
    source.start();
    source.stop(endS);
  };
}
