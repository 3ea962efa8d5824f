"""Guessing the control token: slow whatever the number of sockets, alike for every wrong guess, and nobody else waits."""

import time
from collections.abc import Mapping
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from traderv3.console.commands import (
    GUESSES_OPEN_MAX,
    LOOK_S,
    QUIET_S,
    REFUSAL_WAIT_MOST_S,
    REFUSAL_WAIT_S,
    Command,
    CommandGate,
    CommandRequest,
    GuessLine,
)

TOKEN = "right-and-proper-token"


def make_gate(done: list[str]) -> CommandGate:
    async def run(args: Mapping[str, Any], who: str) -> str:
        done.append(who)
        return "done"

    return CommandGate(
        {"halt": Command(run, confirmation=lambda args: "HALT SIM")},
        TOKEN,
        wall_us=lambda: 0,
        tell=lambda result: None,
        audit=lambda entry: None,
        mask=lambda args: args,
    )


def asking(token: str) -> CommandRequest:
    return CommandRequest(id="1", name="halt", confirm="HALT SIM", token=token)


async def test_many_sockets_guess_no_faster_than_one(autojump_clock: MockClock) -> None:
    done: list[str] = []
    gate = make_gate(done)
    guessed = 0

    async def guess(number: int) -> None:
        nonlocal guessed
        while True:
            await gate.carry_out(asking(f"guess-{number}-{guessed}"), who=f"c{number}")
            guessed += 1

    with trio.move_on_after(60):
        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(guess, number)

    assert guessed == 5  # after 1, 3, 7, 15 and 31 s
    assert done == []


async def test_whoever_holds_the_token_does_not_wait_behind_those_who_guess(autojump_clock: MockClock) -> None:
    done: list[str] = []
    gate = make_gate(done)
    refused = 0

    async def guess(number: int) -> None:
        nonlocal refused
        while True:
            await gate.carry_out(asking("wrong"), who=f"c{number}")
            refused += 1

    async with trio.open_nursery() as nursery:
        for number in range(GUESSES_OPEN_MAX - 1):
            nursery.start_soon(guess, number)
        await trio.sleep(10.5)
        began = trio.current_time()
        results = [await gate.carry_out(asking(TOKEN), who="owner") for _ in range(3)]
        waited_s = trio.current_time() - began
        nursery.cancel_scope.cancel()

    assert all(result.ok for result in results)
    assert waited_s == 0
    assert done == ["owner"] * 3
    assert refused == 3


async def test_hanging_up_and_asking_again_gets_a_crowd_no_more_looks_than_the_line_has(
    autojump_clock: MockClock,
) -> None:
    looks = 0

    def compare() -> bool:
        nonlocal looks
        looks += 1
        return False

    line = GuessLine()

    async def guess_and_hang_up() -> None:
        while True:
            with trio.move_on_after(0.5):
                await line.is_right(compare)

    with trio.move_on_after(600):
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(guess_and_hang_up)

    assert GUESSES_OPEN_MAX + 500 < looks <= GUESSES_OPEN_MAX + 600 / LOOK_S


async def test_when_the_line_is_full_everybody_has_his_turn_and_it_empties(autojump_clock: MockClock) -> None:
    line = GuessLine()
    async with trio.open_nursery() as nursery:
        for _ in range(GUESSES_OPEN_MAX):
            nursery.start_soon(line.is_right, lambda: False)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()  # all of them hang up
    began = trio.current_time()
    is_right = await line.is_right(lambda: True)
    waited_s = trio.current_time() - began
    began = trio.current_time()
    await line.is_right(lambda: False)

    assert is_right
    assert waited_s == LOOK_S
    assert trio.current_time() - began == REFUSAL_WAIT_S


async def wait_of(line: GuessLine, *, is_right: bool = False) -> float:
    began = trio.current_time()
    assert await line.is_right(lambda: is_right) is is_right
    return trio.current_time() - began


async def test_each_wrong_token_in_a_row_waits_twice_as_long_as_the_one_before(autojump_clock: MockClock) -> None:
    line = GuessLine()

    assert [await wait_of(line) for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert await wait_of(line, is_right=True) == 0
    assert [await wait_of(line) for _ in range(3)] == [1, 2, 4]


async def test_a_line_that_was_quiet_begins_anew_and_one_that_was_only_slow_does_not(autojump_clock: MockClock) -> None:
    line = GuessLine()
    for _ in range(8):
        await wait_of(line)
    slow_s = await wait_of(line)
    await trio.sleep(QUIET_S - slow_s)
    again_s = await wait_of(line)

    assert (slow_s, again_s) == (REFUSAL_WAIT_MOST_S, REFUSAL_WAIT_S)


async def test_a_crowd_that_stays_is_not_taken_for_quiet(autojump_clock: MockClock) -> None:
    """In an hour: the doubling ones of the first minute, then one a minute, whatever the number of sockets."""
    line, answered = GuessLine(), 0

    async def guess() -> None:
        nonlocal answered
        while True:
            await line.is_right(lambda: False)
            answered += 1

    with trio.move_on_after(3_600):
        async with trio.open_nursery() as nursery:
            for _ in range(200):
                nursery.start_soon(guess)

    assert 60 <= answered <= 66


@pytest.mark.parametrize(
    "wrong", ["", "r", TOKEN[:-1], TOKEN + "x", TOKEN[:-1] + "x", TOKEN.upper(), "\ud800", "ä", "x" * 60_000]
)
async def test_every_wrong_token_waits_alike_and_gets_the_same_answer(wrong: str, autojump_clock: MockClock) -> None:
    gate = make_gate([])
    began = trio.current_time()
    result = await gate.carry_out(asking(wrong), who="c1")

    assert trio.current_time() - began == REFUSAL_WAIT_S
    assert result.reason == "the control token is missing or wrong"


async def test_a_right_token_with_wrong_words_does_nothing_and_costs_no_wait(autojump_clock: MockClock) -> None:
    done: list[str] = []
    request = asking(TOKEN)
    request.confirm = "halt sim"
    result = await make_gate(done).carry_out(request, who="c1")

    assert not result.ok
    assert done == []


def test_the_comparison_takes_as_long_for_a_near_guess_as_for_a_far_one() -> None:
    gate = make_gate([])
    near, far = TOKEN[:-1] + "x", "x" * len(TOKEN)
    took: dict[str, list[float]] = {near: [], far: []}
    for _ in range(40):
        for guess, times in took.items():
            began = time.perf_counter()
            for _ in range(500):
                gate.is_ours(guess)
            times.append(time.perf_counter() - began)

    ratio = min(took[near]) / min(took[far])
    assert 0.8 < ratio < 1.25, ratio
