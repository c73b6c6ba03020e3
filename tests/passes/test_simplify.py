"""What `simplify` promises about single values: bit for bit, but for the sign of zero and merged factors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from netlang.backends.reference import evaluate
from netlang.ir.build import Builder
from netlang.ir.dims import sym
from netlang.ir.gradient import gradients
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from netlang.passes import simplify
from netlang.passes.constants import has_exact_reciprocal, scaled, uniform

B = Builder()
TINY = float(np.finfo(np.float32).smallest_subnormal)
ODD = np.array([0.0, -0.0, 1.0, -2.5, 3e38, -3e38, TINY, -TINY, 1e-38, np.inf, -np.inf, np.nan], np.float32)


def c(value: float, dtype: DType = DType.F32) -> Value:
    return B.const(value, dtype)


def bits(array: NDArray[np.generic]) -> bytes:
    """The bytes of an array, all NaNs being the same one: arithmetic gives them either sign."""
    array = array.copy()
    array[array != array] = np.nan if array.dtype.kind == "f" else 0
    return array.tobytes()


def run(make: Callable[[Value], Value], array: NDArray[np.generic] = ODD) -> tuple[list[str], bool, bool]:
    """(ops left, same bits, same values) of a function of one tensor, before and after."""
    x = B.input("x", TensorType(DType.of(array.dtype), (sym("N"),)))
    graph = Graph("g", (x,), (), (("y", make(x)),))
    after = simplify.run(graph)
    old, new = (evaluate(g, {"x": array})[0]["y"] for g in (graph, after))
    ops = [n.op for n in after.nodes if n.op not in ("input", "const")]
    return ops, bits(old) == bits(new), np.array_equal(old, new, equal_nan=old.dtype.kind == "f")


EXACT: dict[str, tuple[Callable[[Value], Value], list[str]]] = {
    "x - 0": (lambda x: B.sub(x, c(0.0)), []),
    "x + -0": (lambda x: B.add(x, c(-0.0)), []),
    "x * 1": (lambda x: B.mul(x, c(1.0)), []),
    "1 * x": (lambda x: B.mul(c(1.0), x), []),
    "x * -1": (lambda x: B.mul(x, c(-1.0)), ["neg"]),
    "x / 1": (lambda x: B.div(x, c(1.0)), []),
    "x / 8": (lambda x: B.div(x, c(8.0)), ["mul"]),
    "x / 0.25": (lambda x: B.div(x, c(0.25)), ["mul"]),
    "x / 3": (lambda x: B.div(x, c(3.0)), ["div"]),
    "x / 2^127": (lambda x: B.div(x, c(2.0**127)), ["div"]),
    "x * 0": (lambda x: B.mul(x, c(0.0)), ["mul"]),
    "x - x": (lambda x: B.sub(x, x), ["sub"]),
    "x / x": (lambda x: B.div(x, x), ["div"]),
    "0 / x": (lambda x: B.div(c(0.0), x), ["div"]),
    "x ** 0": (lambda x: B.op("pow", x, c(0.0)), ["broadcast"]),
    "x ** 1": (lambda x: B.op("pow", x, c(1.0)), []),
    "- - x": (lambda x: B.neg(B.neg(x)), []),
    "1 + -x": (lambda x: B.add(c(1.0), B.neg(x)), ["sub"]),
    "-x + 1": (lambda x: B.add(B.neg(x), c(1.0)), ["sub"]),
    "|-x|": (lambda x: B.op("abs", B.neg(x)), ["abs"]),
    "relu of relu": (lambda x: B.op("relu", B.op("relu", x)), ["relu"]),
    "relu of exp": (lambda x: B.op("relu", B.op("exp", x)), ["exp"]),
    "max(x, x)": (lambda x: B.op("max", x, x), []),
    "max(x, 0)": (lambda x: B.op("max", x, c(0.0)), ["max"]),
    "log of exp": (lambda x: B.op("log", B.op("exp", x)), ["exp", "log"]),
    "where of true": (lambda x: B.op("where", c(True, DType.BOOL), x, B.neg(x)), []),
    "where of false": (lambda x: B.op("where", c(False, DType.BOOL), B.neg(x), x), []),
    "cast up and down": (lambda x: B.op("cast", B.op("cast", x, dtype=DType.F64), dtype=DType.F32), []),
    "cast down and up": (lambda x: B.op("cast", B.op("cast", x, dtype=DType.F16), dtype=DType.F32), ["cast", "cast"]),
    "merging overflows": (lambda x: B.mul(B.mul(x, c(3e38)), c(2.0)), ["mul", "mul"]),
    "merging loses digits": (lambda x: B.mul(B.mul(x, c(1e-38)), c(1e-3)), ["mul", "mul"]),
    "merging a zero": (lambda x: B.mul(B.mul(x, c(0.0)), c(2.0)), ["mul", "mul"]),
    "dividing by zero": (lambda x: B.div(B.mul(x, c(2.0)), c(0.0)), ["mul", "div"]),
}


@pytest.mark.parametrize("name", EXACT)
def test_bit_for_bit(name: str) -> None:
    make, ops = EXACT[name]
    assert run(make)[:2] == (ops, True)


@pytest.mark.parametrize(
    "make",
    [lambda x: B.add(x, c(0.0)), lambda x: B.add(c(0.0), x), lambda x: B.sub(x, c(-0.0))],
    ids=["x + 0", "0 + x", "x - -0"],
)
def test_up_to_the_sign_of_zero(make: Callable[[Value], Value]) -> None:
    ops, _, same = run(make)
    assert (ops, same) == ([], True)


@pytest.mark.parametrize(
    ("make", "op"),
    [
        (lambda x: B.mul(B.mul(x, c(3.0)), c(0.7)), "mul"),
        (lambda x: B.div(B.mul(x, c(3.0)), c(0.7)), "mul"),
        (lambda x: B.mul(B.div(x, c(3.0)), c(0.7)), "mul"),
        (lambda x: B.div(B.div(x, c(3.0)), c(0.7)), "div"),
        (lambda x: B.op("pow", x, c(2.0)), "mul"),
    ],
)
def test_up_to_rounding(make: Callable[[Value], Value], op: str) -> None:
    numbers = np.random.default_rng(0).normal(0, 10, 200).astype(np.float32)
    x = B.input("x", TensorType(DType.F32, (sym("N"),)))
    graph = Graph("g", (x,), (), (("y", make(x)),))
    after = simplify.run(graph)
    assert [n.op for n in after.nodes if n.op not in ("input", "const")] == [op]
    old, new = (evaluate(g, {"x": numbers})[0]["y"] for g in (graph, after))
    np.testing.assert_array_max_ulp(old, new, maxulp=2)


def test_integers() -> None:
    numbers = np.array([0, 1, -1, 127, -128], np.int8)
    for make, ops in (
        (lambda x: B.mul(x, c(0, DType.I8)), ["broadcast"]),
        (lambda x: B.mul(x, c(-1, DType.I8)), ["neg"]),
        (lambda x: B.add(x, c(0, DType.I8)), []),
    ):
        assert run(make, numbers) == (ops, True, True)


def test_log_of_softmax_becomes_finite() -> None:
    x = B.input("x", TensorType(DType.F32, (1, 2)))
    graph = Graph("g", (x,), (), (("y", B.op("log", B.op("softmax", x, axis=1))),))
    given = {"x": np.array([[0.0, 200.0]], np.float32)}
    assert np.isneginf(evaluate(graph, given)[0]["y"]).any()
    assert evaluate(simplify.run(graph), given)[0]["y"].tolist() == [[-200.0, 0.0]]


def test_gradients_stay_the_same_when_simplified_before() -> None:
    """At the corners too: the pass may run before differentiation."""
    x = B.input("x", TensorType(DType.F64, (5,)))
    values = {"x": np.array([-1.0, -0.0, 0.0, 0.5, 2.0])}
    for make in (
        lambda v: B.op("relu", B.op("relu", B.neg(B.neg(v)))),
        lambda v: B.op("max", v, c(0.0, DType.F64)),
        lambda v: B.op("max", v, v),
        lambda v: B.op("abs", B.neg(v)),
        lambda v: B.op("pow", v, c(2.0, DType.F64)),
        lambda v: B.op("log", B.op("softmax", v, axis=0)),
    ):
        graph = Graph("g", (x,), (), (("y", B.sum(make(x), (0,))),))
        found = []
        for g in (graph, simplify.run(graph)):
            (gradient,) = gradients(g.output("y"), [x])
            found.append(evaluate(g.replace(outputs=(("g", gradient),)), values)[0]["g"])
        np.testing.assert_allclose(found[1], found[0], rtol=1e-12, atol=1e-15)


def test_uniform_constants() -> None:
    two = B.const(np.full((2, 3), 2.0), DType.F32)
    assert uniform(two) == 2.0
    assert uniform(B.broadcast(B.op("transpose", two, perm=(1, 0)), (4, 3, 2))) == 2.0
    assert uniform(B.const([1.0, 2.0], DType.F32)) is None
    assert uniform(B.const([0.0, -0.0], DType.F32)) is None
    assert uniform(B.const(np.zeros((0,)), DType.F32)) is None
    assert uniform(B.input("x", two.type)) is None
    assert uniform(B.op("exp", two)) is None
    x = B.input("x", two.type)
    assert scaled(B.mul(two, x), "mul") == scaled(B.mul(x, two), "mul") == (x, 2.0)
    assert scaled(B.div(two, x), "div") is None


@pytest.mark.parametrize(
    ("number", "exact"), [(2.0, True), (-0.125, True), (3.0, False), (0.0, False), (np.inf, False)]
)
def test_reciprocals(number: float, exact: bool) -> None:
    assert has_exact_reciprocal(number, c(0.0)) is exact
