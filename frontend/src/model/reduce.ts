/**
 * One message folded into the model. Pure: no clock, no socket, no React; the model given is left as it was.
 *
 * A logged message whose number is already in the model is a repeat after a resume and changes nothing.
 */
import { type Actor, LOGGED, type Message, type Snapshot, type StateTransition } from "../protocol/messages";
import { appendLine, linesOf, logLine, transitionLine } from "./lines";
import { EMPTY, type Model, TRANSITIONS_MAX, type TreeNode } from "./model";
import { Ring } from "./ring";

const LOGGED_KINDS: ReadonlySet<string> = new Set(LOGGED);

export function reduce(model: Model, message: Message): Model {
  if (!LOGGED_KINDS.has(message.type)) return apply(model, message);
  if (message.seq <= model.seq) return model;
  return { ...apply(model, message), seq: message.seq };
}

function apply(model: Model, message: Message): Model {
  switch (message.type) {
    case "connection": {
      const connection = message.data;
      const isResumed = connection.resumed && connection.epoch === model.connection?.epoch;
      return isResumed ? { ...model, connection, isSynced: true } : { ...EMPTY, connection };
    }
    case "snapshot":
      return fromSnapshot(model, message.data, message.seq, Date.parse(message.timestamp));
    case "history_replay":
      return { ...model, transitions: merge(model.transitions, message.data.transitions) };
    case "trader_status": {
      const { state, state_since: since, state_context: context, health, reasons, metrics } = message.data;
      return { ...model, trader: { state, since, context, health, reasons, metrics } };
    }
    case "state_transition":
      return afterTransition(model, message.data);
    case "supervision":
      return { ...model, tree: message.data.tree };
    case "actor":
      return { ...model, tree: model.tree && withActor(model.tree, message.data) };
    case "market":
      return { ...model, markets: new Map(model.markets).set(message.data.ticker, message.data) };
    case "console":
      return { ...model, lines: appendLine(model.lines, logLine(message.data)) };
    case "alert": {
      const alerts = new Map(model.alerts);
      if (message.data.is_active) alerts.set(message.data.id, message.data);
      else alerts.delete(message.data.id);
      return { ...model, alerts };
    }
    case "heartbeat":
      return { ...model, dropped: message.data.dropped, lagMs: message.data.lag_ms };
    case "command_result":
    case "pong":
      return model;
    default:
      return assertNever(message);
  }
}

function fromSnapshot(model: Model, data: Snapshot, seq: number, atMs: number): Model {
  return {
    connection: model.connection,
    isSynced: true,
    seq,
    startedAtMs: atMs - data.uptime * 1000,
    trader: {
      state: data.state,
      since: data.state_since,
      context: data.state_context,
      health: data.health,
      reasons: data.reasons,
      metrics: data.metrics,
    },
    tree: data.supervision,
    markets: new Map(data.market_tops.map((top) => [top.ticker, top])),
    transitions: Ring.of(TRANSITIONS_MAX, data.transitions),
    lines: linesOf(data.log, data.transitions),
    alerts: new Map(data.alerts.filter((alert) => alert.is_active).map((alert) => [alert.id, alert])),
    warnings: data.warnings,
    dropped: data.dropped,
    lagMs: model.lagMs,
  };
}

function afterTransition(model: Model, transition: StateTransition): Model {
  const { to_state: state, timestamp: since, context, metrics } = transition;
  const { trader } = model;
  // After a resume the status may arrive ahead of the transitions that led to it. One of an earlier run has no metrics.
  const isNewest = metrics !== null && (trader === null || since >= trader.since);
  return {
    ...model,
    trader: isNewest
      ? { state, since, context, metrics, health: metrics.health, reasons: trader?.reasons ?? [] }
      : trader,
    transitions: merge(model.transitions, [transition]),
    lines: appendLine(model.lines, transitionLine(transition)),
  };
}

/** Add what is missing of a replay; a replay overlaps with what a snapshot or a resume has brought. */
function merge(known: Ring<StateTransition>, replayed: readonly StateTransition[]): Ring<StateTransition> {
  const isNew = (one: StateTransition) =>
    !isKnown(known, one) && one.timestamp >= (known.last?.timestamp ?? "");
  return replayed.filter(isNew).reduce((ring, transition) => ring.append(transition), known);
}

function isKnown(
  known: Ring<StateTransition>,
  { timestamp, from_state, to_state }: StateTransition,
): boolean {
  return known.some(
    (one) => one.timestamp === timestamp && one.from_state === from_state && one.to_state === to_state,
  );
}

function withActor(node: TreeNode, actor: Actor): TreeNode {
  if (node.name === actor.name) {
    const { status, restarts, last_error, timestamp: since } = actor;
    return { ...node, status, restarts, last_error, since };
  }
  const children = node.children.map((child) => withActor(child, actor));
  return children.every((child, index) => child === node.children[index]) ? node : { ...node, children };
}

function assertNever(message: never): never {
  throw new Error(`a message that the types do not know: ${JSON.stringify(message)}`);
}
