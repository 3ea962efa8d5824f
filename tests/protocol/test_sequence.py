"""Which message is the next one: the table whole, and against the dumbest model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.protocol.sequence import Sequence, Verdict


def counted(last: int) -> Sequence:
    sequence = Sequence()
    for seq in range(1, last + 1):
        assert sequence.take(seq, b"%d" % seq) is Verdict.NEXT
    return sequence


@pytest.mark.parametrize(
    ("last", "seq", "raw", "verdict", "last_after"),
    [
        (0, 1, b"1", Verdict.NEXT, 1),
        (0, 2, b"2", Verdict.GAP, 2),
        (0, 0, b"0", Verdict.ROLLBACK, 0),
        (0, -5, b"-5", Verdict.ROLLBACK, 0),
        (1, 1, b"1", Verdict.DUPLICATE, 1),
        (1, 1, b"other", Verdict.ROLLBACK, 1),
        (1, 2, b"2", Verdict.NEXT, 2),
        (20, 21, b"21", Verdict.NEXT, 21),
        (20, 22, b"22", Verdict.GAP, 22),
        (20, 2**70, b"huge", Verdict.GAP, 2**70),
        (20, 20, b"20", Verdict.DUPLICATE, 20),
        (20, 18, b"18", Verdict.DUPLICATE, 20),
        (20, 5, b"5", Verdict.ROLLBACK, 20),  # too long ago to know its bytes
        (20, 18, b"other", Verdict.ROLLBACK, 20),
        (20, 1, b"1", Verdict.RESET, 20),
        (20, 1, b"other", Verdict.RESET, 20),
        (20, 0, b"0", Verdict.ROLLBACK, 20),
    ],
)
def test_the_table_whole(last: int, seq: int, raw: bytes, verdict: Verdict, last_after: int) -> None:
    sequence = counted(last)

    assert sequence.take(seq, raw) is verdict
    assert sequence.last == last_after
    if verdict is not Verdict.NEXT:
        assert sequence.expected == last + 1


def test_a_new_subscription_counts_anew_and_remembers_nothing() -> None:
    sequence = counted(3)
    sequence.restart(last=2)

    assert sequence.take(2, b"2") is Verdict.ROLLBACK
    assert sequence.take(3, b"x") is Verdict.NEXT


@given(st.lists(st.tuples(st.integers(-2, 12), st.sampled_from([b"a", b"b"]))))
def test_no_number_is_next_twice_and_none_is_skipped_silently(numbers: list[tuple[int, bytes]]) -> None:
    sequence = Sequence()
    seen: dict[int, bytes] = {}
    last = 0
    for seq, salt in numbers:
        raw = b"%d" % seq + salt
        verdict = sequence.take(seq, raw)

        assert (verdict is Verdict.NEXT) == (seq == last + 1)
        assert (verdict is Verdict.GAP) == (seq > last + 1)
        if verdict is Verdict.DUPLICATE:
            assert seen[seq] == raw
        if verdict in (Verdict.NEXT, Verdict.GAP):
            seen[seq], last = raw, seq
        assert sequence.last == last
