/**
 * All that the page knows, as one immutable record. Slices that a message does not touch keep their identity, so
 * a panel re-renders only when its own slice moved.
 */
import type {
  Actor,
  Alert,
  Connection,
  ConsoleLine,
  HealthReason,
  MarketTop,
  Metrics,
  StateTransition,
  SupervisionNode,
} from "../protocol/messages";
import { Ring } from "./ring";

export const LINES_MAX = 20_000;
export const TRANSITIONS_MAX = 2_000;

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

/** One row of the terminal. `id` never repeats within an epoch. */
export interface Line extends ConsoleLine {
  readonly id: number;
  readonly kind: "log" | "transition";
}

export interface Model {
  readonly connection: Connection | null;
  /** False from the first byte of a new socket until its snapshot, or until the server has resumed us. */
  readonly isSynced: boolean;
  /** Highest number of the event log that is in this record: where to resume. */
  readonly seq: number;
  /** When the process began, on the server's clock. */
  readonly startedAtMs: number | null;
  readonly trader: TraderState | null;
  readonly tree: TreeNode | null;
  readonly markets: ReadonlyMap<string, MarketTop>;
  readonly transitions: Ring<StateTransition>;
  readonly lines: Ring<Line>;
  readonly alerts: ReadonlyMap<string, Alert>;
  readonly warnings: readonly string[];
  /** Messages the server had to drop for this page, ever. */
  readonly dropped: number;
  readonly lagMs: number | null;
}

export const EMPTY: Model = {
  connection: null,
  isSynced: false,
  seq: 0,
  startedAtMs: null,
  trader: null,
  tree: null,
  markets: new Map(),
  transitions: Ring.of(TRANSITIONS_MAX),
  lines: Ring.of(LINES_MAX),
  alerts: new Map(),
  warnings: [],
  dropped: 0,
  lagMs: null,
};
