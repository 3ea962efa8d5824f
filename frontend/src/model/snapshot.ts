/** A snapshot as a model: every slice is replaced, and nothing of before is kept but the way it came. */
import type { Metrics, Snapshot } from "../protocol/messages";
import { linesOf, logLine, transitionLine } from "./lines";
import { type Model, RESULTS_MAX, SAMPLES_MAX, type Sample, TRANSITIONS_MAX } from "./model";
import { Ring } from "./ring";

export function fromSnapshot(model: Model, data: Snapshot, seq: number, atMs: number): Model {
  const {
    state,
    state_since: since,
    state_context: context,
    health,
    reasons,
    metrics,
    risk,
    latency,
    trading,
  } = data;
  const { connections, connection_events, gaps, rest, cross_check, exchange } = data;
  return {
    connection: model.connection,
    isSynced: true,
    seq,
    atMs,
    startedAtMs: atMs - data.uptime * 1000,
    trader: { state, since, context, health, reasons, metrics },
    tree: data.supervision,
    markets: new Map(data.market_tops.map((top) => [top.ticker, top])),
    books: new Map(data.books.map((book) => [book.ticker, book])),
    feed: { connections, connection_events, gaps, rest, cross_check, exchange },
    latency,
    risk,
    trading,
    transitions: Ring.of(TRANSITIONS_MAX, data.transitions),
    lines: linesOf([...data.log.map(logLine), ...data.transitions.map(transitionLine)]),
    series: Ring.of(SAMPLES_MAX, [sampleOf(model, atMs, metrics)]),
    alerts: new Map(data.alerts.filter((alert) => alert.is_active).map((alert) => [alert.id, alert])),
    raised: model.raised,
    warnings: data.warnings,
    results: Ring.of(RESULTS_MAX),
    dropped: data.dropped,
    lagMs: model.lagMs,
    receivedBytes: model.receivedBytes,
  };
}

/** A point of every chart: what the trader measured, with what this page did. */
export function sampleOf({ lagMs, receivedBytes }: Model, atMs: number, metrics: Metrics): Sample {
  return { atMs, metrics, lagMs, receivedBytes };
}
