/**
 * All that the trader has said, as one immutable record. Slices that a message does not touch keep their identity, so
 * a panel re-renders only when its own slice moved.
 */
import type {
  Actor,
  Alert,
  CommandResult,
  Connection,
  FeedReport,
  HealthReason,
  Latency,
  MarketBook,
  MarketTop,
  Message,
  Metrics,
  Risk,
  StateTransition,
  SupervisionNode,
  Trading,
} from "../protocol/messages";
import { Ring } from "./ring";
import type { Level, LineKind } from "./view";

export const LINES_MAX = 20_000;
export const TRANSITIONS_MAX = 2_000;
export const SAMPLES_MAX = 1_200;
export const RESULTS_MAX = 50;
export const RAISED_MAX = 50;

/** What `trader_status` says, or a transition ahead of it. */
export interface TraderState {
  readonly state: string;
  readonly since: string;
  readonly context: string;
  readonly health: Metrics["health"];
  readonly reasons: readonly HealthReason[];
  readonly metrics: Metrics;
}

/** A node of the tree; its status is a string because a newer server may know more of them than this page. */
export interface TreeNode extends Omit<SupervisionNode, "status" | "children"> {
  readonly status: SupervisionNode["status"] | Actor["status"];
  readonly children: readonly TreeNode[];
}

/** One row of the events. `id` never repeats within an epoch; `data` is what the trader sent, for the curious. */
export interface Line {
  readonly id: number;
  readonly seq: number | null;
  readonly kind: LineKind;
  readonly level: Level;
  readonly timestamp: string;
  readonly source: string;
  readonly message: string;
  readonly context: string;
  readonly data: Message["data"];
}

/** What one `trader_status` measured: a point of every chart. */
export interface Sample {
  readonly atMs: number;
  readonly metrics: Metrics;
  readonly lagMs: number | null;
  /** As `Model.receivedBytes` then. */
  readonly receivedBytes: number;
}

export interface Model {
  readonly connection: Connection | null;
  /** False from the first byte of a new socket until its snapshot, or until the server has resumed us. */
  readonly isSynced: boolean;
  /** Highest number of the event log that is in this record: where to resume. */
  readonly seq: number;
  /** When the newest message was sent, on the server's clock. */
  readonly atMs: number | null;
  /** When the process began, on the server's clock. */
  readonly startedAtMs: number | null;
  readonly trader: TraderState | null;
  readonly tree: TreeNode | null;
  readonly markets: ReadonlyMap<string, MarketTop>;
  /** Whole books of the markets that this page has asked for. */
  readonly books: ReadonlyMap<string, MarketBook>;
  readonly feed: FeedReport | null;
  readonly latency: Latency | null;
  readonly risk: Risk | null;
  readonly trading: Trading | null;
  readonly transitions: Ring<StateTransition>;
  readonly lines: Ring<Line>;
  readonly series: Ring<Sample>;
  readonly alerts: ReadonlyMap<string, Alert>;
  /** The newest alerts that began, or grew worse, while this page was told of it: none of a snapshot or a resume. */
  readonly raised: Ring<Alert>;
  readonly warnings: readonly string[];
  /** The newest answers to commands, anybody's. */
  readonly results: Ring<CommandResult>;
  /** Messages the server had to drop for this page, ever. */
  readonly dropped: number;
  readonly lagMs: number | null;
  /** What has come to this page since it first met this process, before the wire's compression. */
  readonly receivedBytes: number;
}

export const EMPTY: Model = {
  connection: null,
  isSynced: false,
  seq: 0,
  atMs: null,
  startedAtMs: null,
  trader: null,
  tree: null,
  markets: new Map(),
  books: new Map(),
  feed: null,
  latency: null,
  risk: null,
  trading: null,
  transitions: Ring.of(TRANSITIONS_MAX),
  lines: Ring.of(LINES_MAX),
  series: Ring.of(SAMPLES_MAX),
  alerts: new Map(),
  raised: Ring.of(RAISED_MAX),
  warnings: [],
  results: Ring.of(RESULTS_MAX),
  dropped: 0,
  lagMs: null,
  receivedBytes: 0,
};
