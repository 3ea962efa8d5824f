/** A WebSocket whose other end is the test. */
export class FakeWebSocket {
  static readonly OPEN = 1;
  static made: FakeWebSocket[] = [];

  readonly sent: string[] = [];
  readyState = 0;
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;

  constructor(readonly url: string) {
    FakeWebSocket.made.push(this);
  }

  static get newest(): FakeWebSocket {
    const newest = FakeWebSocket.made.at(-1);
    if (newest === undefined) throw new Error("no socket was made");
    return newest;
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.readyState = 3;
  }

  /** What the other end does. */
  accept(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  receive(...messages: readonly unknown[]): void {
    for (const message of messages) this.onmessage?.({ data: JSON.stringify(message) });
  }

  drop(): void {
    this.readyState = 3;
    this.onclose?.();
  }
}
