"""The net that is being written: names, lines, weights, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from netlang.interchange.importing.known import Known, sizes
from netlang.interchange.importing.sheet import Refused, Sheet, Weight, identifier
from netlang.interchange.importing.writing import call, infix, pipe
from netlang.ir.dims import sym
from netlang.ir.types import DType


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("layer1.0/Conv:0", "layer1_0_Conv_0"),
        ("7", "t7"),
        ("", "x"),
        ("///", "x"),
        ("é\x00\x1b[31m", "31m"),
        ("_hidden_", "hidden"),
    ],
)
def test_identifiers(text: str, expected: str) -> None:
    found = identifier(text)
    assert found == (expected if not expected[0].isdigit() else f"t{expected}")


def test_names_are_used_once() -> None:
    sheet = Sheet("n")
    assert [sheet.fresh("a.b") for _ in range(3)] == ["a_b", "a_b_2", "a_b_3"]
    assert sheet.fresh("a_b_2") == "a_b_2_2"
    assert [sheet.fresh(name) for name in ("relu", "if", "lambda")] == ["relu_2", "if_2", "lambda_2"]


def test_a_refused_line_leaves_the_sheet_as_it_was() -> None:
    sheet = Sheet("n")
    x = sheet.input("x", DType.F32, ["N", 3])
    before = len(sheet.lines)
    with pytest.raises(Refused, match="3 and 4 differ"):
        sheet.let(infix(x, "+", call("broadcast", call("scalar", 0.0), [1, 4])), "y")
    with pytest.raises(Refused, match="frobnicate"):
        sheet.let(pipe(x, call("frobnicate")), "y")
    assert len(sheet.lines) == before
    y = sheet.let(pipe(x, "relu"), "z")
    assert y.shape == (sym("N"), 3) and len(sheet.lines) == before + 1


def test_weights_belong_to_their_lines() -> None:
    sheet = Sheet("n")
    x = sheet.input("x", DType.F32, ["N", 3])
    arrays = {"weight": np.ones((2, 3), np.float32), "bias": np.zeros(2, np.float32)}
    sheet.let(pipe(x, call("dense", 2)), "y", {name: Weight(array) for name, array in arrays.items()})
    kept = sheet.lines[-1].weights
    assert [w.array.shape for w in kept] == [(2, 3), (2,)]
    assert sorted(a.shape for a in sheet.parameters().values()) == [(2,), (2, 3)]


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones((3, 2), np.float32), r"the weights 'w' are f32\[3, 2\], but must be f32\[2, 3\]"),
        (np.ones((2, 3), np.float64), r"the weights 'w' are f64\[2, 3\], but must be f32\[2, 3\]"),
        (None, "nothing says what the parameter"),
    ],
)
def test_weights_that_do_not_fit(weight: np.ndarray[tuple[int, ...], np.dtype[np.float32]], message: str) -> None:
    sheet = Sheet("n")
    x = sheet.input("x", DType.F32, ["N", 3])
    given = {} if weight is None else {"weight": Weight(weight, "w")}
    with pytest.raises(Refused, match=message):
        sheet.let(pipe(x, call("dense", 2, bias=False)), "y", given)


def test_what_is_known_is_written_once() -> None:
    sheet = Sheet("n")
    known = Known(np.float32([1, 2]), "scale")
    first = sheet.tensor(known)
    assert sheet.tensor(known) is first and len(sheet.lines) == 1
    assert sheet.tensor(first) is first
    trained = sheet.tensor(Known(np.ones((2, 2), np.float32), "w", trained=True))
    assert trained.name == "w" and sheet.lines[-1].weights[0].source == "w"
    large = sheet.tensor(Known(np.arange(100), "table"))
    assert large.dtype is DType.I64 and sheet.lines[-1].weights[0].array.size == 100


def test_sizes_become_tensors() -> None:
    sheet = Sheet("n")
    x = sheet.input("x", DType.F32, ["N", 3])
    shape = sheet.tensor(sizes([*x.shape, 2 * sym("N")]))
    assert shape.dtype is DType.I64 and shape.shape == (3,)
