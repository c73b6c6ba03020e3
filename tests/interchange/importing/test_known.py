"""What is reckoned with while a network is imported: the same as NumPy's, and with sizes as with their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netlang
from netlang.frontend.printing import text_of_file
from netlang.interchange.importing.evaluate import Allowance, evaluated
from netlang.interchange.importing.flat import flat_file
from netlang.interchange.importing.known import LARGEST, Known, fold, sizes
from netlang.interchange.importing.sheet import Sheet
from netlang.interchange.importing.writing import call
from netlang.ir.dims import Dim, evaluate, sym
from netlang.runtime.ports import Array

NUMBERS = {"N": 6, "T": 4}
N, T = sym("N"), sym("T")
ENTRIES = st.sampled_from([1, 2, 3, 4, 12, N, T, N + 1, 2 * T, N * T, 4 * N * T - T])


def folded(op: str, *entries: Any, **attributes: Any) -> Array | None:
    known = fold(op, [e if isinstance(e, Known) else sizes(list(e)) for e in entries], attributes)
    return None if known is None else known.array


def valued(array: Array) -> Array:
    """An array with sizes, for NUMBERS."""
    return np.array([evaluate(v, NUMBERS) if not isinstance(v, np.generic) else v for v in array.reshape(-1)]).reshape(
        array.shape
    )


@settings(max_examples=150, deadline=None)
@given(
    op=st.sampled_from(["Add", "Sub", "Mul", "Div", "Max", "Min", "Equal", "Less", "Mod", "Concat", "ReduceProd"]),
    a=st.lists(ENTRIES, min_size=2, max_size=2),
    b=st.lists(ENTRIES, min_size=2, max_size=2),
)
def test_sizes_are_reckoned_with_like_their_numbers(op: str, a: list[Dim], b: list[Dim]) -> None:
    """First folded, then with numbers for the sizes; and the other way about."""
    parts = [a] if op == "ReduceProd" else [a, b]
    attributes: Mapping[str, Any] = {"axis": 0} if op == "Concat" else {}
    with_names = folded(op, *parts, **attributes)
    if with_names is None:
        return  # it depends on what the sizes are: the net has to compute it
    numbers = [[evaluate(d, NUMBERS) for d in part] for part in parts]
    with_numbers = folded(op, *numbers, **attributes)
    if with_numbers is None:
        expected = {"Max": np.maximum, "Min": np.minimum, "Less": np.less, "Mod": np.mod}[op](*numbers)
    else:
        expected = with_numbers
    assert np.array_equal(valued(with_names), expected), (with_names, expected)


def test_a_shape_as_exporters_write_it() -> None:
    """Shape -> Gather -> Unsqueeze -> Concat."""
    shape = sizes([N, 3, 8, T])
    batch = fold("Gather", [shape, Known(np.array(0, np.int64))], {"axis": 0})
    assert batch is not None and batch.array.ndim == 0
    row = fold("Unsqueeze", [batch, Known(np.array([0], np.int64))], {})
    assert row is not None
    joined = fold("Concat", [row, sizes([-1])], {"axis": 0})
    assert joined is not None and joined.entries() == [N, -1]
    last = fold("Slice", [shape, sizes([-2]), sizes([1 << 62])], {})
    assert last is not None and last.entries() == [8, T]
    half = fold("Div", [last, sizes([2])], {})
    assert half is not None and valued(half.array).tolist() == [4, NUMBERS["T"] // 2]


def test_whole_numbers_are_divided_towards_zero() -> None:
    assert folded("Div", [7, -7, 7, -7], [2, 2, -2, -2]).tolist() == [3, -3, -3, 3]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("op", "shapes"),
    [
        ("Add", [(1, LARGEST), (LARGEST, 1)]),
        ("Equal", [(1, LARGEST), (LARGEST, 1)]),
        ("Gather", [(1, LARGEST), (LARGEST,)]),
        ("Concat", [(LARGEST,), (1,)]),
        ("Neg", [(LARGEST + 1,)]),
    ],
)
def test_what_would_be_large_is_left_to_the_net(op: str, shapes: list[tuple[int, ...]]) -> None:
    """Before any memory is taken: these would have 32 GB."""
    arrays = [Known(np.zeros(shape, np.int64)) for shape in shapes]
    assert fold(op, arrays, {"axis": 0}) is None


def test_sizes_that_grow_without_end_are_left_to_the_net() -> None:
    known: Known | None = sizes([N + T])
    for _ in range(40):
        before = known
        known = fold("Mul", [known, known], {})
        if known is None:
            break
    assert known is None and before is not None
    assert fold("ReduceProd", [sizes([N + T + 1] * 200)], {}) is None


@pytest.mark.parametrize(
    ("op", "inputs"),
    [
        ("Reshape", [[1, 2, 3], [2, 2]]),
        ("Gather", [[1, 2, 3], [7]]),
        ("Add", [[1, 2, 3], [1, 2]]),
        ("Frobnicate", [[1]]),
    ],
)
def test_what_is_wrong_is_not_folded(op: str, inputs: list[list[int]]) -> None:
    assert folded(op, *inputs) is None


# ---- constants, by the ops' own meanings


def written(sheet: Sheet, count: int) -> Any:
    x = sheet.let(call("tensor", [1, 2, 3]), "x")
    return sheet.let(call("broadcast", call("reshape", x, [1, 3]), [count, 3]), "y")


def test_constants_are_computed() -> None:
    sheet, allowance = Sheet("net_"), Allowance()
    found = evaluated(written(sheet, 4).value, sheet, allowance)
    assert found is not None and np.array_equal(found, np.tile(np.float32([1, 2, 3]), (4, 1)))
    assert allowance.memory == (1 << 30) - found.nbytes and allowance.work < 1 << 31


@pytest.mark.parametrize("allowance", [Allowance(work=10), Allowance(memory=40)])
def test_what_is_not_paid_for_is_left_to_the_net(allowance: Allowance) -> None:
    sheet = Sheet("net_")
    assert evaluated(written(sheet, 4).value, sheet, allowance) is None


def test_too_many_elements_are_left_to_the_net() -> None:
    sheet = Sheet("net_")
    assert evaluated(written(sheet, 1 << 24).value, sheet, Allowance()) is None


# ---- numbers as text


@pytest.mark.parametrize(
    "value",
    [
        *np.float32([0.0, -0.0, 0.1, -1e-45, 1.17549435e-38, 3.4028235e38, np.inf, 16777217.0]),
        *np.float64([0.1, -5e-324, 1.7976931348623157e308]),
        *np.float16([0.1, -65504]),
        *np.int64([0, -7, (1 << 63) - 1]),
        *np.int32([-(1 << 31)]),
        np.bool_(True),
    ],
)
def test_numbers_are_read_as_they_were_written(value: Any) -> None:
    """Through the text of a net, bit by bit."""
    sheet = Sheet("written")
    made = sheet.tensor(Known(np.asarray(value)), "value")
    sheet.output("y", made)
    text = text_of_file(flat_file("written", sheet.lines))
    found = netlang.compile(text, target="reference")()
    assert found.dtype == value.dtype and np.asarray(found).tobytes() == np.asarray(value).tobytes(), text
