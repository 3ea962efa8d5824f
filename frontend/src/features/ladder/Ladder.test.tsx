import { cleanup, fireEvent, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import type { MarketBook } from "../../protocol/messages";
import { AT, book } from "../../testing/messages";
import { receive, renderConnecting, renderLive } from "../../testing/panel";
import { Ladder } from "./Ladder";

afterEach(cleanup);

const rung = (price: string) =>
  screen.getAllByTestId("ladder-row").find(({ dataset }) => dataset.price === price);

function show(change: Partial<MarketBook> = {}) {
  return renderLive(<Ladder />, { books: [book(change)] });
}

test("before the trader answers, and before the book does, it says what it waits for", () => {
  renderConnecting(<Ladder />);
  expect(screen.getByText(/once the trader answers/)).toBeTruthy();

  cleanup();
  renderLive(<Ladder />, { books: [] });
  expect(screen.getByText(/Waiting for the book of KXDEMO-26DEC31-T100/)).toBeTruthy();

  cleanup();
  renderLive(<Ladder />, { books: [], market_tops: [] });
  expect(screen.getByText(/none is subscribed/)).toBeTruthy();
});

test("the best prices are marked, the spread and the last trade are told", () => {
  show();

  expect(rung("0.4500")?.dataset.best).toBe("bid");
  expect(rung("0.4500")?.textContent).toBe("120.0045¢");
  expect(rung("0.4900")?.dataset.best).toBe("ask");
  expect(rung("0.4900")?.textContent).toBe("49¢42.00");
  expect(rung("0.4600")?.textContent).toContain("last trade");
  expect(screen.getByText("4¢")).toBeTruthy();
  expect(screen.getByText("46¢ × 5.00")).toBeTruthy();
});

test("the imbalance of the top of the book says what it is of; one side alone has none", () => {
  show();
  const imbalance = screen.getByTestId("imbalance");
  expect(imbalance.textContent).toBe("0.74");
  expect(imbalance.closest("[title]")?.getAttribute("title")).toContain("top of the book");

  cleanup();
  show({ no: [] });
  expect(screen.getByTestId("imbalance").textContent).toBe("-");
});

test("bars are as wide as their share of the largest, by a transform", () => {
  show();
  const widthAt = (price: string) => rung(price)?.querySelector<HTMLElement>(".depth")?.style.transform;

  expect(widthAt("0.4500")).toBe("scaleX(1)");
  expect(widthAt("0.4900")).toBe(`scaleX(${4_200 / 12_000})`);
});

test("cumulative, each row has all better ones with it", () => {
  show();
  fireEvent.click(screen.getByText("Σ cumulative"));

  expect(rung("0.4400")?.textContent).toBe("200.0044¢");
});

test("a thousand prices keep few rows in the document", () => {
  show({ price_ranges: [{ start: "0.0000", end: "1.0000", step: "0.0010" }] });

  expect(screen.getAllByTestId("ladder-row").length).toBeLessThan(60);
});

test("stale, it says so and why; its numbers stay, to be greyed", () => {
  show({ book_state: "stale", stale_reason: "sequence gap" });

  expect(document.querySelector(".ladder-book")?.getAttribute("data-book-state")).toBe("stale");
  expect(screen.getByText(/sequence gap/)).toBeTruthy();
});

test("live and empty is not the same as not there yet", () => {
  show({ yes: [], no: [] });
  expect(screen.getByText(/live and empty/)).toBeTruthy();

  cleanup();
  show({ yes: [], no: [], book_state: "syncing" });
  expect(screen.getByText(/No book yet/)).toBeTruthy();
});

test("what changed lately is warm", () => {
  const store = show();
  const yes: MarketBook["yes"] = [
    ["0.4400", "80.00"],
    ["0.4500", "1.00"],
  ];
  receive(store, {
    type: "book",
    seq: 11,
    timestamp: AT,
    data: book({ yes, last_update: "2999-01-01T00:00:00.000Z" }),
  });

  expect(rung("0.4500")?.dataset.heat).toBe("3");
  expect(rung("0.4400")?.dataset.heat).toBe("0");
});

test("under the pointer it is held, and says so", () => {
  show();
  const box = screen.getByRole("group");
  fireEvent.pointerEnter(box);
  expect(screen.getByText(/held/)).toBeTruthy();

  fireEvent.pointerLeave(box);
  expect(screen.queryByText(/held/)).toBeNull();
});
