"""Differences of arrays and files."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from netlang.interchange.weights.comparing import Tolerance, compare, differences
from netlang.runtime.mapping.stored import open_stored

_FLOATS = st.lists(st.floats(width=32), min_size=1, max_size=8)


@given(_FLOATS)
def test_everything_is_the_same_as_itself(numbers: list[float]) -> None:
    array = np.array(numbers, np.float32)
    assert differences(array, array.copy(), Tolerance()) == (0, 0, 0)


@given(
    st.lists(st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 2), min_size=1, max_size=8),
    st.floats(0, 10),
    st.floats(0, 1),
)
def test_as_numpy_compares(pairs: list[tuple[float, float]], absolute: float, relative: float) -> None:
    a, b = np.array(pairs, np.float64).T
    largest, _, unequal = differences(a, b, Tolerance(absolute, relative))
    assert largest == np.abs(a - b).max()
    assert unequal == np.sum(~np.isclose(b, a, rtol=relative, atol=absolute))


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ([1.0, np.nan], [1.0, np.nan], (0, 0, 0)),
        ([1.0, np.nan], [1.0, 2.0], (np.inf, np.inf, 1)),
        ([np.inf, 1.0], [-np.inf, 3.0], (np.inf, np.inf, 2)),
        ([0.0, -0.0], [-0.0, 0.0], (0, 0, 0)),
        ([4.0, 2.0], [2.0, 2.0], (2, 0.5, 1)),
    ],
)
def test_by_hand(first: list[float], second: list[float], wanted: tuple[float, float, int]) -> None:
    assert differences(np.array(first), np.array(second), Tolerance()) == wanted


def test_whole_numbers_exactly() -> None:
    a = np.array([2**62, 3, -(2**63)], np.int64)
    b = np.array([2**62 + 1, 3, 2**63 - 1], np.int64)
    assert differences(a, b, Tolerance()) == (float(2**64 - 1), (2**64 - 1) / 2**63, 2)
    assert differences(a[:2], b[:2], Tolerance(absolute=1)) == (1, 1 / (2**62 + 1), 0)
    assert differences(np.array([True]), np.array([False]), Tolerance()) == (1, 1, 1)


def test_files(tmp_path: Path) -> None:
    same = np.ones(3, np.float32)
    save_file({"s": same, "only": same, "shape": same, "type": same, "value10": same, "value9": same}, tmp_path / "a")
    save_file({"s": same, "more": same, "shape": same[:2].copy(), "type": same.astype(ml_dtypes.bfloat16),
               "value10": same * 2, "value9": same * 3}, tmp_path / "b")  # fmt: skip
    found = list(compare(open_stored(tmp_path / "a"), open_stored(tmp_path / "b"), Tolerance()))
    assert [d.name for d in found] == ["more", "only", "s", "shape", "type", "value9", "value10"]
    assert {d.name for d in found if d.same} == {"s"}
    by_name = {d.name: d for d in found}
    assert by_name["more"].first is None and by_name["only"].second is None
    assert (by_name["type"].absolute, by_name["type"].unequal) == (0, 0)
    assert by_name["value9"].absolute == 2 and by_name["value9"].unequal == 3
