"""What exporters compute with sizes that are known only later vanishes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netlang.diagnostics import NetError
from netlang.interchange.importing.known import Known, fold, sizes
from netlang.ir.dims import sym
from netlang.ir.types import DType
from tests.interchange.importing.nodes import Array, imported, normal

onnx = pytest.importorskip("onnx")

HEAD = """
<ir_version: 10, opset_import: ["": 18]>
sized (float[N, 4, H, W] x) => (float[A, B, C, D] y)
<int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2}, int64[1] four = {4}, float[2] twice = {2.0, 2.0}> {
  shape = Shape (x)
"""

CASES: dict[str, tuple[str, str]] = {
    "sizes as floats, twice as large": (
        """plane = Shape <start = 2> (x)
        floats = Cast <to = 1> (plane)
        larger = Mul (floats, twice)
        whole = Floor (larger)
        sizes = Cast <to = 7> (whole)
        outer = Slice (shape, zero, two)
        all = Concat <axis = 0> (outer, sizes)
        y = Resize <mode = "nearest"> (x, , , all)""",
        "x -> upsample(2)",
    ),
    "a start that is a size": (
        """height = Shape <start = 2, end = 3> (x)
        start = Sub (height, two)
        y = Slice (x, start, height, two)""",
        "gather(x, arange(2) + (H - 2), axis = 2)",
    ),
    "-1 where sizes are asked for": (
        """ones = ConstantOfShape <value = int64[1] {1}> (four)
        minus = Neg (ones)
        one_there = ScatterElements (shape, one, one)
        open = Equal (one_there, minus)
        asked = Where (open, ones, one_there)
        scalar = Constant <value_float = 3.0> ()
        y = Expand (scalar, asked)""",
        "broadcast([N, 1, H, W])",
    ),
    "the floor of a quotient": (
        """height = Shape <start = 2, end = 3> (x)
        half = Div (height, two)
        rest = Mod (height, two)
        below = Less (height, zero)
        differs = Xor (below, below)
        step = Cast <to = 7> (differs)
        place = Sub (half, step)
        y = Slice (x, zero, place, two)""",
        "x -> slice(2, 0, H // 2)",
    ),
}


def wanted(case: str, x: Array) -> Array:
    return {
        "sizes as floats, twice as large": lambda: x.repeat(2, 2).repeat(2, 3),
        "a start that is a size": lambda: x[:, :, -2:],
        "-1 where sizes are asked for": lambda: np.full((x.shape[0], 1, *x.shape[2:]), 3, np.float32),
        "the floor of a quotient": lambda: x[:, :, : x.shape[2] // 2],
    }[case]()


@pytest.mark.parametrize("case", CASES)
def test_numbers_and_lines(case: str, tmp_path: Path) -> None:
    body, line = CASES[case]
    found, net = imported(onnx.parser.parse_model(HEAD + body + "}"), tmp_path)
    assert line in found.text
    for shape in ((2, 4, 5, 6), (1, 4, 8, 3)):
        x = normal(*shape)
        np.testing.assert_array_equal(net(x=x), wanted(case, x))


def test_what_holds_for_every_size() -> None:
    n, m = sym("N"), sym("M")

    def folded(op: str, *entries: object) -> object:
        known = fold(op, [sizes([e]) for e in entries], {"to": 1})  # type: ignore[list-item]
        return None if known is None else known.entries()[0]

    assert folded("Less", 0, n) is True
    assert folded("Less", n + 1, n) is False
    assert folded("GreaterOrEqual", n * m, 1) is True
    assert folded("Less", n, m) is None and folded("Less", 2, n) is None
    assert folded("Max", n, 1) == n and folded("Min", n, 1) == 1 and folded("Max", n, 2) is None
    assert folded("Mod", n * 4, 2) == 0 and folded("Mod", n, 2) == n - 2 * (n // 2)
    assert folded("Floor", 3) is None


def test_sizes_keep_the_element_type_that_they_have() -> None:
    n = sym("N")
    cast = fold("Cast", [sizes([n, 2])], {"to": 1})
    assert cast is not None and (cast.sizes_in, cast.numpy) == (DType.F32, np.float32)
    doubled = fold("Mul", [cast, Known(np.array([2.0, 3.0], np.float32))], {})
    assert doubled is not None and doubled.entries() == [2 * n, 6] and doubled.sizes_in is DType.F32
    assert fold("Mul", [cast, Known(np.array([0.5, 3.0], np.float32))], {}) is None


def test_a_size_that_does_not_divide_is_told(tmp_path: Path) -> None:
    body = """height = Shape <start = 2, end = 3> (x)
    half = Div (height, two)
    open = Constant <value_ints = [-1]> ()
    shape2 = Concat <axis = 0> (half, open)
    y = Reshape (x, shape2)"""
    with pytest.raises(NetError, match=r"cannot become|cannot turn"):
        imported(onnx.parser.parse_model(HEAD + body + "}"), tmp_path)
