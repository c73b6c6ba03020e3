"""Numbers by size as data: the same as the functions they were recorded from."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.backends.common.numbers import Number, evaluated
from netlang.backends.cpu.artifact.formulas import Entry, Evaluated, evaluate_all
from netlang.backends.cpu.artifact.ranges import Range, size_ranges
from netlang.backends.cpu.artifact.recording import Recording
from netlang.diagnostics import NetError
from netlang.frontend import load
from netlang.ir.dims import sym

N, T = sym("N"), sym("T")


def rounds(sizes: Any) -> Any:
    """Comparisons of all kinds, nested."""
    n, t = sizes["N"], sizes["T"]
    if n == 0:
        return 7
    height = min((4, 6), key=lambda h: -(-n // h) * (2 * h + 3))
    return max(1, min(height, -(-16 // max(1, n * t)))) + (t if n >= 5 and t != 3 else -t) - 2 * (n > t) + n % 3


NUMBERS: dict[str, Number] = {
    "a number": 12,
    "a dim": 25 * N * T + 3,
    "a quotient": (T - 3) // 2 + 1,
    "a product of sizes": lambda s: evaluated(N, s) * evaluated(T, s) * 4 + 64,
    "a choice": lambda s: evaluated(N, s) if s["T"] % 2 else 0,
    "comparisons": rounds,
    "truth of a size": lambda s: 5 if s["N"] else 6,
    "both sides": lambda s: (3 - s["N"]) * (100 // (s["T"] + 1)) - (17 % (s["N"] + 1)),
}


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_recorded_numbers_are_the_same(number: Number) -> None:
    recording = Recording(["N", "T"], {})
    found = recording.add(number)
    assert not recording.largest
    for n in range(12):
        for t in (0, 1, 2, 3, 4, 9, 30):
            sizes = {"N": n, "T": t}
            got = found if isinstance(found, int) else Entry(found[1])(Evaluated(recording.entries, sizes))
            assert got == evaluated(number, sizes), sizes


def test_what_cannot_be_recorded_is_tabulated() -> None:
    @cache
    def looked_up(n: int) -> int:
        return sum(range(n // 7))

    recording = Recording(["N"], {})
    found = recording.add(lambda s: looked_up(s["N"]))
    assert isinstance(found, list) and recording.largest == {"N": 1024}
    for n in (0, 6, 7, 100, 1024):
        assert evaluate_all(recording.entries, {"N": n})[found[1]] == looked_up(n)
    more = Recording(["N"], {"N": 2000})
    more.add(lambda s: looked_up(s["N"]))
    assert more.largest == {"N": 2000}
    with pytest.raises(NetError, match="chooses by N, T together"):
        Recording(["N", "T"], {}).add(lambda s: looked_up(s["N"]) + looked_up(s["T"]))


def test_a_function_that_tells_different_things_is_found_out() -> None:
    calls: list[int] = []

    def unsteady(sizes: Any) -> Any:
        calls.append(1)
        return sizes["N"] + len(calls)

    with pytest.raises(RuntimeError, match="recorded wrongly"):
        Recording(["N"], {}).add(unsteady)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=6), st.integers(0, 300))
def test_the_least_of_several(offsets: list[int], n: int) -> None:
    def least(sizes: Any) -> Any:
        return min(sizes["N"] * (1 + i % 3) + offset for i, offset in enumerate(offsets))

    recording = Recording(["N"], {})
    found = recording.add(least)
    assert isinstance(found, list)
    assert evaluate_all(recording.entries, {"N": n})[found[1]] == least({"N": n})


# ---- ranges


def graph(body: str) -> Any:
    return load(f"net n {{\n{body}\n}}").net


def test_ranges_of_sizes() -> None:
    free = graph("  input x: f32[N, 4]\n  output y = relu(x)")
    assert size_ranges(free) == {"N": Range()}
    window = graph("  input x: f32[N, 4, T]\n  output y = x -> conv(3, 5)")
    assert size_ranges(window) == {"N": Range(), "T": Range(5)}
    assert size_ranges(graph("  input x: f32[3]\n  output y = relu(x)")) == {}
    assert Range(2, None).up_to(9) == Range(2, 9) and Range(0, 5).up_to(9) == Range(0, 5)
