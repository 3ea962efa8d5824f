import { act, cleanup, fireEvent, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Store } from "../../feed/store";
import type { Alert, Message } from "../../protocol/messages";
import { AT, alert, connection, snapshot } from "../../testing/messages";
import { receive, renderLive } from "../../testing/panel";
import { Alerts } from "./Alerts";
import { APART_MS } from "./pace";

/** Frequencies of the tones that were started. */
let tones: number[];
let notices: { readonly title: string; readonly body: string | undefined }[];
let audios: number;

class FakeParam {
  readonly setTargetAtTime = () => this;
}
class FakeNode {
  readonly gain = new FakeParam();
  readonly connect = (next: unknown) => next;
  readonly stop = () => undefined;
  private readonly hz: number | undefined;
  constructor(_: unknown, { frequency }: OscillatorOptions) {
    this.hz = frequency;
  }
  start(): void {
    tones.push(this.hz ?? 0);
  }
}
class FakeAudio {
  readonly currentTime = 0;
  readonly destination = {};
  readonly resume = () => Promise.resolve();
  constructor() {
    audios += 1;
  }
}
class FakeNotification {
  static permission: NotificationPermission = "default";
  static answer: NotificationPermission = "granted";
  static asked = 0;
  static requestPermission(): Promise<NotificationPermission> {
    FakeNotification.asked += 1;
    FakeNotification.permission = FakeNotification.answer;
    return Promise.resolve(FakeNotification.answer);
  }
  onclick = null;
  constructor(title: string, { body }: NotificationOptions) {
    notices.push({ title, body });
  }
}

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse(AT) });
  localStorage.clear();
  tones = [];
  notices = [];
  audios = 0;
  FakeNotification.permission = "default";
  FakeNotification.answer = "granted";
  FakeNotification.asked = 0;
  vi.stubGlobal("Notification", FakeNotification);
  vi.stubGlobal("AudioContext", FakeAudio);
  vi.stubGlobal("OscillatorNode", FakeNode);
  vi.stubGlobal("GainNode", FakeNode);
  touched(true);
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function touched(hasBeenActive: boolean): void {
  Object.defineProperty(navigator, "userActivation", { value: { hasBeenActive }, configurable: true });
}

/** Clicks a box and lets the browser answer; forgets the tone that it makes. */
async function choose(name: string): Promise<void> {
  await act(async () => fireEvent.click(box(name)));
  tones = [];
}

const box = (name: string): HTMLInputElement => screen.getByLabelText(name);
const problem = () => screen.getByTestId("alarm-problem").textContent;
const say = (seq: number, change: Partial<Alert> = {}): Message => ({
  type: "alert",
  seq,
  timestamp: AT,
  data: alert({ id: `alert ${seq}`, ...change }),
});

/** Messages come, and whatever they set off is over. */
async function hear(store: Store, ...messages: readonly Message[]): Promise<void> {
  receive(store, ...messages);
  await act(() => vi.advanceTimersByTimeAsync(0));
}

test("unless somebody asks for it there is no sound, no notification and no question", async () => {
  const store = renderLive(<Alerts />);
  await hear(store, say(11, { level: "error" }));

  expect([tones, notices, audios, FakeNotification.asked]).toEqual([[], [], 0, 0]);
  expect(screen.getByTestId("alarm-button").textContent).toContain("off");
  expect(screen.getByTestId("alert-count").textContent).toBe("1 new of 1");
});

test("sound that is chosen is heard at once, then for alarms of its kind, an error higher than a warning", async () => {
  const store = renderLive(<Alerts />);
  fireEvent.click(screen.getByTestId("alarm-button"));
  await act(async () => fireEvent.click(box("sound for health")));
  expect(tones.length).toBe(1);
  expect(screen.getByTestId("alarm-button").textContent).toContain("on");

  await hear(store, say(11, { kind: "lint" }));
  expect(tones.length).toBe(1);

  await hear(store, say(12), say(13, { level: "error" }));
  expect(tones.length).toBe(2);
  expect(tones[1]).toBeGreaterThan(tones[0] ?? 0);
  expect(notices).toEqual([]);
});

test("a notification says environment, component and message, the worst of what came together, and how many more", async () => {
  const store = renderLive(<Alerts />);
  await choose("notification for health");
  await hear(store, say(11), say(12, { level: "error", message: "the venue is down" }));

  expect(FakeNotification.asked).toBe(1);
  expect(notices).toEqual([{ title: "✕ SIM · connector", body: "the venue is down (and 1 more)" }]);
});

test("of a kind and level one in ten seconds is told; a warning does not mute the error behind it", async () => {
  const store = renderLive(<Alerts />);
  await choose("sound for health");
  await hear(store, say(11));
  await hear(store, say(12));
  expect(tones).toEqual([660]);

  await hear(store, say(13, { level: "error" }));
  expect(tones).toEqual([660, 880]);

  await act(() => vi.advanceTimersByTimeAsync(APART_MS));
  await hear(store, say(14));
  expect(tones).toEqual([660, 880, 660]);
});

test("nothing rings for a snapshot, nor for what a resume tells again; what comes after it rings", async () => {
  const store = renderLive(<Alerts />, { alerts: [alert()] });
  await choose("sound for health");
  await hear(store, snapshot({ reason: "overflow", alerts: [alert({ id: "b" })] }, 20));
  await hear(store, connection({ resumed: true, seq: 30 }), say(25, { level: "error" }));
  expect(tones).toEqual([]);

  await hear(store, say(31));
  expect(tones).toEqual([660]);
});

test("while the past is looked at nothing rings, then or on the way back", async () => {
  const store = renderLive(<Alerts />);
  await choose("sound for health");
  act(() => store.setView({ at: 4 }));
  await hear(store, say(11));
  act(() => store.setView({ at: null }));
  expect(tones).toEqual([]);

  await hear(store, say(12));
  expect(tones).toEqual([660]);
});

test("a page held by a pause rings all the same", async () => {
  const store = renderLive(<Alerts />);
  await choose("sound for health");
  act(() => store.togglePause());
  await hear(store, say(11));

  expect(tones).toEqual([660]);
});

test("a denied permission is said and nothing is chosen", async () => {
  FakeNotification.answer = "denied";
  renderLive(<Alerts />);
  await choose("notification for lint");

  expect(problem()).toContain("denied");
  expect(box("notification for lint").checked).toBe(false);
});

test("a question left without an answer, and a browser without notifications, are said too", async () => {
  FakeNotification.answer = "default";
  renderLive(<Alerts />);
  await choose("notification for health");
  expect(problem()).toContain("without an answer");

  vi.stubGlobal("Notification", undefined);
  Reflect.deleteProperty(window, "Notification");
  await choose("notification for health");
  expect(problem()).toContain("has no notifications");
});

test("what was chosen is remembered, without asking again; forgone, it is forgotten", async () => {
  renderLive(<Alerts />);
  await choose("sound for health");
  await choose("notification for lint");
  cleanup();
  renderLive(<Alerts />);

  const chosen = () => screen.getAllByRole<HTMLInputElement>("checkbox", { hidden: true });
  expect(chosen().map(({ checked }) => checked)).toEqual([true, false, false, true]);
  expect([FakeNotification.asked, tones]).toEqual([1, []]);

  fireEvent.click(box("sound for health"));
  fireEvent.click(box("notification for lint"));
  cleanup();
  renderLive(<Alerts />);
  expect(chosen().some(({ checked }) => checked)).toBe(false);
});

test("a permission that was taken back is said when the choice is opened, and nothing is shown", async () => {
  localStorage.setItem("alarms", "health.notification nonsense");
  FakeNotification.permission = "denied";
  const store = renderLive(<Alerts />);
  await hear(store, say(11));
  fireEvent.click(screen.getByTestId("alarm-button"));

  expect(notices).toEqual([]);
  expect(problem()).toContain("denied");
});

test("before a person has touched the page no sound is tried: the browser would hold it back", async () => {
  localStorage.setItem("alarms", "health.sound");
  touched(false);
  const store = renderLive(<Alerts />);
  await hear(store, say(11));
  expect(audios).toBe(0);

  touched(true);
  await hear(store, say(12, { level: "error" }));
  expect(tones).toEqual([880]);
});

test("a tone that the browser held back for long is not made up for", async () => {
  const held: { readonly play: () => void }[] = [];
  class HeldAudio extends FakeAudio {
    override readonly resume = () => new Promise<void>((play) => held.push({ play }));
  }
  vi.stubGlobal("AudioContext", HeldAudio);
  localStorage.setItem("alarms", "health.sound");
  const store = renderLive(<Alerts />);
  await hear(store, say(11));
  await act(() => vi.advanceTimersByTimeAsync(1_500));
  for (const { play } of held) play();
  await act(() => vi.advanceTimersByTimeAsync(0));

  expect([held.length, tones]).toEqual([1, []]);
});

test("a browser that has notifications in name only breaks nothing", async () => {
  localStorage.setItem("alarms", "health.notification");
  class NoConstructor {
    static permission = "granted";
    constructor() {
      throw new TypeError("Illegal constructor");
    }
  }
  vi.stubGlobal("Notification", NoConstructor);
  const store = renderLive(<Alerts />);
  await hear(store, say(11));

  expect(screen.getByTestId("alert-count").textContent).toBe("1 new of 1");
});
