/**
 * A capped list that only grows at its end: a window on a shared array.
 *
 * Appending to the newest window costs O(1) and leaves every older window as it was, because none looks beyond its
 * own end. That is what makes pausing a view free: keep the window while intake goes on.
 */
export class Ring<T> {
  private constructor(
    private readonly shared: T[],
    private readonly from: number,
    private readonly to: number,
    private readonly cap: number,
    /** Items ever appended; tells how far two windows of one list are apart. */
    readonly total: number,
    /** Same for all windows of one list. */
    private readonly list: symbol,
  ) {}

  static of<T>(cap: number, items: readonly T[] = []): Ring<T> {
    const kept = items.slice(-cap);
    return new Ring(kept, 0, kept.length, cap, items.length, Symbol());
  }

  get length(): number {
    return this.to - this.from;
  }

  append(item: T): Ring<T> {
    const mayShare = this.to === this.shared.length && this.shared.length < 2 * this.cap;
    const shared = mayShare ? this.shared : this.slice(-this.cap + 1);
    shared.push(item);
    const from = Math.max(0, shared.length - this.cap);
    return new Ring(shared, from, shared.length, this.cap, this.total + 1, this.list);
  }

  /** As `Array.prototype.slice`, within this window. */
  slice(start = 0, end = this.length): T[] {
    const low = start < 0 ? Math.max(0, this.length + start) : start;
    return this.shared.slice(this.from + low, this.from + Math.min(end, this.length));
  }

  at(index: number): T | undefined {
    return index < 0 || index >= this.length ? undefined : this.shared[this.from + index];
  }

  get last(): T | undefined {
    return this.at(this.length - 1);
  }

  /** Whether this is the same list as `earlier`, then or later. */
  continues(earlier: Ring<T>): boolean {
    return this.list === earlier.list && this.total >= earlier.total;
  }

  /** What came after `earlier` and is still held; everything when there is no earlier. */
  since(earlier: Ring<T> | undefined): T[] {
    const appended = earlier === undefined ? this.length : this.total - earlier.total;
    return this.slice(Math.max(0, this.length - appended));
  }

  /** The newest that passes the test. */
  find(test: (item: T) => boolean): T | undefined {
    for (let index = this.to - 1; index >= this.from; index--) {
      const item = this.shared[index];
      if (item !== undefined && test(item)) return item;
    }
    return undefined;
  }
}
