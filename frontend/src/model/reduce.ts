/**
 * One message folded into the model. Pure: no clock, no socket, no React; the model given is left as it was.
 *
 * A logged message whose number is already in the model is a repeat after a resume and changes nothing.
 */
import { LOGGED, type MarketTop, type Message, type TraderStatus } from "../protocol/messages";
import { withAlert } from "./alerts";
import {
  actorLine,
  alertLine,
  appendLine,
  commandLine,
  fillLine,
  logLine,
  orderLine,
  riskLine,
  transitionLine,
} from "./lines";
import { EMPTY, type Model } from "./model";
import { fromSnapshot, sampleOf } from "./snapshot";
import { withFill, withOrder, withPart } from "./trading";
import { merge, traderAfter } from "./transitions";
import { withActor, withMailbox } from "./tree";

const LOGGED_KINDS: ReadonlySet<string> = new Set(LOGGED);

/** What came together. The table of markets is copied once for all of them: thousands of tops a second are the bulk. */
export function fold(model: Model, messages: readonly Message[]): Model {
  let folded = model;
  let markets: Map<string, MarketTop> | null = null;
  for (const message of messages) {
    if (message.type === "market") {
      markets ??= new Map(folded.markets);
      markets.set(message.data.ticker, message.data);
      continue;
    }
    // A snapshot or a new process begins with its own table.
    if (message.type === "snapshot" || message.type === "connection") {
      if (markets !== null) folded = { ...folded, markets };
      markets = null;
    }
    folded = reduce(folded, message);
  }
  return markets === null ? folded : { ...folded, markets };
}

export function reduce(model: Model, message: Message): Model {
  if (!LOGGED_KINDS.has(message.type)) return apply(model, message);
  if (message.seq <= model.seq) return model;
  return { ...apply(model, message), seq: message.seq };
}

function apply(model: Model, message: Message): Model {
  const { seq, timestamp } = message;
  switch (message.type) {
    case "connection": {
      const connection = message.data;
      const isResumed = connection.resumed && connection.epoch === model.connection?.epoch;
      return isResumed ? { ...model, connection, isSynced: true } : { ...EMPTY, connection };
    }
    case "snapshot":
      return fromSnapshot(model, message.data, seq, Date.parse(timestamp));
    case "history_replay":
      return { ...model, transitions: merge(model.transitions, message.data.transitions) };
    case "trader_status":
      return withStatus(model, message.data, Date.parse(timestamp));
    case "state_transition": {
      const trader = traderAfter(model.trader, message.data);
      const transitions = merge(model.transitions, [message.data]);
      return {
        ...model,
        trader,
        transitions,
        lines: appendLine(model.lines, transitionLine(message.data)),
      };
    }
    case "supervision":
      return { ...model, tree: message.data.tree };
    case "actor": {
      const tree = model.tree && withActor(model.tree, message.data);
      return { ...model, tree, lines: appendLine(model.lines, actorLine(message.data, seq)) };
    }
    case "mailbox": {
      const { name, mailbox } = message.data;
      return { ...model, tree: model.tree && withMailbox(model.tree, name, mailbox) };
    }
    case "market":
      return { ...model, markets: new Map(model.markets).set(message.data.ticker, message.data) };
    case "book":
      return { ...model, books: new Map(model.books).set(message.data.ticker, message.data) };
    case "feed":
      return { ...model, feed: message.data };
    case "latency":
      return { ...model, latency: message.data };
    case "risk": {
      const line = riskLine(message.data, seq, timestamp);
      return { ...model, risk: message.data, lines: appendLine(model.lines, line) };
    }
    case "order": {
      const lines = appendLine(model.lines, orderLine(message.data, seq, timestamp));
      return { ...model, trading: withOrder(model.trading, message.data), lines };
    }
    case "fill": {
      const lines = appendLine(model.lines, fillLine(message.data, seq));
      return { ...model, trading: withFill(model.trading, message.data), lines };
    }
    case "position":
    case "pnl":
    case "limits":
    case "decision":
    case "recon":
      return { ...model, trading: withPart(model.trading, message) };
    case "console":
      return { ...model, lines: appendLine(model.lines, logLine(message.data)) };
    case "alert": {
      const lines = appendLine(model.lines, alertLine(message.data, seq, timestamp));
      return { ...withAlert(model, message.data, seq), lines };
    }
    case "heartbeat":
      return {
        ...model,
        atMs: Date.parse(timestamp),
        dropped: message.data.dropped,
        lagMs: message.data.lag_ms,
      };
    case "command_result": {
      const line = commandLine(message.data, seq, timestamp);
      return { ...model, results: model.results.append(message.data), lines: appendLine(model.lines, line) };
    }
    case "pong":
      return model;
    default:
      return assertNever(message);
  }
}

function withStatus(model: Model, data: TraderStatus, atMs: number): Model {
  const { state, state_since: since, state_context: context, health, reasons, metrics } = data;
  return {
    ...model,
    atMs,
    trader: { state, since, context, health, reasons, metrics },
    series: model.series.append(sampleOf(model, atMs, metrics)),
  };
}

function assertNever(message: never): never {
  throw new Error(`a message that the types do not know: ${JSON.stringify(message)}`);
}
