"""The gradient of scans by all of their inputs against finite differences, and the gradient of that gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from netlang.ir.graph import Graph, Value, topological
from netlang.ir.scan import SCAN
from netlang.ir.verify import verify
from tests.ops.harness import Scalar, check_gradient, derivative_of, weighted_sum
from tests.ops.scans import ALL, LSTM, NESTED, ODD, RNN, B, Example

CASES = [(name, reverse) for name in ALL for reverse in (False, True)]


def scalar(example: Example, length: int, results: Sequence[int] | None = None, **options: Any) -> Scalar:
    """A sum over results of a scan with a weight for every element, by all inputs."""
    node = example.build(length, **options)
    chosen = [v for i, v in enumerate(node.results) if results is None or i in results]
    return Scalar(node.inputs, weighted_sum(B, chosen, np.random.default_rng(5)), tuple(range(len(node.inputs))))


def verified(found: Scalar) -> None:
    gradients = [g for g in found.gradient() if g is not None]
    verify(Graph("g", found.inputs, (), tuple((str(i), g) for i, g in enumerate(gradients))))


@pytest.mark.parametrize("name, reverse", CASES)
def test_against_finite_differences(name: str, reverse: bool) -> None:
    found = scalar(ALL[name], 4, reverse=reverse)
    verified(found)
    check_gradient(found, ALL[name].arrays(4))


@pytest.mark.parametrize("results", [(0,), (1,), (2,), (3, 4), (5,), (6,)])
def test_by_some_results_alone(results: tuple[int, ...]) -> None:
    check_gradient(scalar(ODD, 3, results), ODD.arrays(3))


@pytest.mark.parametrize("length", [0, 1])
def test_few_steps(length: int) -> None:
    check_gradient(scalar(LSTM, length), LSTM.arrays(length))


@pytest.mark.parametrize("example", [RNN, ODD])
def test_the_gradient_of_the_gradient(example: Example) -> None:
    again = derivative_of(scalar(example, 3), np.random.default_rng(9))
    assert again is not None
    check_gradient(again, example.arrays(3), tolerance=1e-5)


def _scans(values: Sequence[Value]) -> int:
    return sum(node.op == SCAN for node in topological(values))


def test_weights_are_multiplied_after_the_loop() -> None:
    """The backward scan has no state beside those of the forward scan: no sum is carried through the steps."""
    for example in (RNN, LSTM):
        found = scalar(example, 4).gradient()
        backward = next(
            n for n in topological([g for g in found if g is not None]) if n.op == SCAN and n.attrs["reverse"]
        )
        assert backward.attrs["states"] == len(example.states)


def test_a_nested_scan_is_not_carried_out_twice_by_the_gradient() -> None:
    """The backward body holds one scan, the backward one of the inner scan: what it needs was kept."""
    found = [g for g in scalar(NESTED, 2).gradient() if g is not None]
    backward = next(n for n in topological(found) if n.op == SCAN and n.attrs["reverse"])
    assert backward.body is not None
    assert _scans([v for _, v in backward.body.outputs]) == 1
