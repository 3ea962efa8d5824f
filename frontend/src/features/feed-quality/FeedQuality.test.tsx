import { cleanup, fireEvent, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import type { CrossCheckReport, RestReport, Snapshot } from "../../protocol/messages";
import { AT } from "../../testing/messages";
import { renderConnecting, renderLive } from "../../testing/panel";
import { FeedQuality } from "./FeedQuality";
import { checkWords, exchangeWords, gapWords, scoreWords } from "./words";

afterEach(cleanup);

const CONNECTION: Snapshot["connections"][number] = {
  name: "market_data",
  link: "disconnected",
  reason: "connection refused",
  connected_since: null,
  last_message_age_ms: 12_400,
  markets: 15,
  live: 0,
};
const GAP: Snapshot["gaps"][number] = {
  connection: "market_data",
  timestamp: AT,
  what: "sequence gap",
  missing: 3,
  books: 15,
  how: null,
  stale_ms: null,
};
const REST: RestReport = {
  breaker: "open",
  breaker_since_us: 0,
  next_probe_s: 8.4,
  requests: 1_200,
  failures: 5,
  refused: 0,
  retried: 2,
  throttled: 1,
  last_error: "timed out",
  last_error_us: 0,
  usage_tier: "basic",
  read_tokens: 3,
  read_capacity: 20,
  read_rate: 20,
  write_tokens: 10,
  write_capacity: 10,
  write_rate: 10,
  clock_offset_ms: -3.2,
  clock_round_trip_ms: 1,
  clock_age_s: 4,
  is_clock_measured: true,
};
const CHECK: CrossCheckReport = {
  score: 0.9996,
  checked: 100,
  agreed: 99,
  disagreed: 0,
  inconclusive: 1,
  last_ticker: "KXA",
  last_outcome: "agreed",
  last_reason: "",
  last_us: 0,
};

const panel = () => screen.getByTestId("feed-quality").textContent;

test("before the trader answers it says what will come", () => {
  renderConnecting(<FeedQuality />);

  expect(screen.getByText(/first answer/)).toBeTruthy();
});

test("a lost connection says why and since when it is unheard, and can be made anew", () => {
  const store = renderLive(<FeedQuality />, { connections: [CONNECTION] });

  expect(screen.getByTestId("connection").dataset.link).toBe("disconnected");
  expect(screen.getByTestId("connection").textContent).toContain(
    "✕ disconnected connection refused0/1512 s ago",
  );
  fireEvent.click(screen.getByRole("button", { name: "reconnect market_data" }));
  expect(store.getSnapshot().asked).toEqual({ verb: "reconnect", args: { connection: "market_data" } });
});

test("nothing to tell is said, part by part", () => {
  renderLive(<FeedQuality />, { connections: [], gaps: [], connection_events: [], rest: null });

  expect(panel()).toContain("No connection to the exchange is configured.");
  expect(panel()).toContain("No gap since the process started.");
  expect(panel()).toContain("No REST connection");
  expect(panel()).toContain("The exchange is open for trading.");
});

test("gaps are told newest first, open ones as open", () => {
  const earlier = { ...GAP, timestamp: "2026-11-22T10:29:00.000Z", how: "snapshot", stale_ms: 41 };
  renderLive(<FeedQuality />, { gaps: [earlier, GAP] });

  expect(screen.getAllByTestId("gap").map(({ dataset }) => dataset.open)).toEqual(["true", "false"]);
});

test("REST that is cut off, its rate and its error are told", () => {
  renderLive(<FeedQuality />, { rest: REST, cross_check: CHECK });

  expect(screen.getByTestId("rest").dataset.breaker).toBe("open");
  expect(panel()).toContain("no request goes out next try in 8 s · 1,200 requests");
  expect(panel()).toContain("3/20");
  expect(panel()).toContain("timed out");
  expect(screen.getByTestId("cross-check").textContent).toContain("99.9 % of 100 agreed");
});

test("who came and went is told, also of an earlier run", () => {
  const events = [
    { connection: "market_data", is_up: true, reason: null, timestamp: "2026-11-21T09:00:00.000Z" },
    { connection: "market_data", is_up: false, reason: "socket lost", timestamp: AT },
  ];
  renderLive(<FeedQuality />, { connection_events: events });

  const [newest, oldest] = screen.getAllByTestId("connection-event");
  expect(newest?.textContent).toContain("✕ lost socket lost");
  expect(oldest?.textContent).toContain("11-21");
  expect(oldest?.textContent).toContain("● made");
});

test("words", () => {
  expect(gapWords(GAP)).toBe("sequence gap: 3 missing, 15 books stale, repair under way");
  expect(gapWords({ ...GAP, missing: 0, books: 1, how: "snapshot", stale_ms: 41 })).toBe(
    "sequence gap: 1 book stale, snapshot after 41 ms",
  );
  expect([1, 0.9996, 0, null].map(scoreWords)).toEqual(["100.0 %", "99.9 %", "0.0 %", null]);
  expect(checkWords({ ...CHECK, last_outcome: null })).toBe("no book has been compared yet");
  expect(checkWords({ ...CHECK, last_outcome: "disagreed", last_reason: "size differs" })).toBe(
    "last: disagreed KXA (size differs)",
  );
  const hours = { trading_active: null, pause_start: null, pause_end: null };
  expect(exchangeWords({ ...hours, exchange_active: null, sentence: null })).toContain("not known");
  expect(exchangeWords({ ...hours, exchange_active: true, sentence: "Closed until 08:00." })).toBe(
    "Closed until 08:00.",
  );
});
