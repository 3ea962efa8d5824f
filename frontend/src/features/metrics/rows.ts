/** Every number of `metrics`, with its unit and what it means; in the order in which one looks for trouble. */
import type { Metrics } from "../../protocol/messages";

export interface MetricRow {
  readonly field: keyof Metrics;
  readonly label: string;
  readonly unit?: string;
  readonly meaning: string;
  readonly kind: "count" | "rate" | "seconds" | "instant" | "word" | "trouble";
}

export const METRICS: readonly MetricRow[] = [
  {
    field: "health",
    label: "health",
    kind: "word",
    meaning: "computed from facts, with reasons in the header",
  },
  {
    field: "ws_connection_status",
    label: "venue socket",
    kind: "word",
    meaning: "connection to the exchange",
  },
  { field: "connection_uptime", label: "venue up for", kind: "seconds", meaning: "0 while it is down" },
  { field: "connection_established", label: "venue since", kind: "instant", meaning: "UTC" },
  { field: "first_snapshot_received", label: "first snapshot", kind: "instant", meaning: "UTC" },
  { field: "last_message_time", label: "last message", kind: "instant", meaning: "UTC" },
  { field: "markets_connected", label: "markets live", kind: "count", meaning: "markets whose book is live" },
  { field: "snapshots_received", label: "snapshots", kind: "count", meaning: "since the process started" },
  { field: "deltas_received", label: "deltas", kind: "count", meaning: "since the process started" },
  { field: "messages_per_second", label: "messages", unit: "/s", kind: "rate", meaning: "from the venue" },
  { field: "gaps_detected", label: "gaps", kind: "trouble", meaning: "holes in the venue's numbering" },
  { field: "resyncs", label: "resyncs", kind: "trouble", meaning: "books asked for anew" },
  { field: "reconnects", label: "reconnects", kind: "trouble", meaning: "to the venue" },
  {
    field: "protocol_errors",
    label: "protocol errors",
    kind: "trouble",
    meaning: "frames that made no sense",
  },
  { field: "duplicates", label: "duplicates", kind: "trouble", meaning: "numbers of the venue seen twice" },
  { field: "rollbacks", label: "rollbacks", kind: "trouble", meaning: "the venue's numbering went back" },
  { field: "resets", label: "resets", kind: "trouble", meaning: "the venue's numbering began anew" },
  {
    field: "clock_backwards",
    label: "clock back",
    kind: "trouble",
    meaning: "the venue's timestamps went back",
  },
  {
    field: "unknown_types",
    label: "unknown types",
    kind: "trouble",
    meaning: "messages of kinds we do not know",
  },
  {
    field: "unknown_fields",
    label: "unknown fields",
    kind: "trouble",
    meaning: "fields that we do not know in messages that we do",
  },
  {
    field: "dropped_events",
    label: "dropped events",
    kind: "trouble",
    meaning: "on the bus, by full mailboxes",
  },
  {
    field: "loop_lag_ms",
    label: "loop lag",
    unit: "ms",
    kind: "rate",
    meaning: "how late the event loop wakes",
  },
  { field: "rss_mb", label: "memory", unit: "MB", kind: "rate", meaning: "resident, of the trader" },
];
