"""What is said of values inside loops: indices out of range, and the step that made the loss infinite."""

from __future__ import annotations

import numpy as np
import pytest

import netlang
from netlang.diagnostics import NetError
from netlang.frontend import load
from netlang.runtime.bounds import index_bounds

WORDS = """
block cell(word, h, first) { return tanh(h + (word -> embedding(9, 4)) + (first -> embedding(7, 4))) }
net n() {
  input w: i64[N, T]
  input start: i64[N]
  h, _hs = w -> scan(cell(first = start), state = [w.shape[0], 4])
  output y = h
}"""


def test_indices_are_bounded_wherever_they_come_from() -> None:
    found = {bound.name: (bound.size, bound.reader.spans[0].line) for bound in index_bounds(load(WORDS).net)}
    assert found == {"w": (9, 2), "start": (7, 2)}


GROWING = """
block grow(x, h) {
  return (h + 1) * (1e10 + (x -> dense(4)))
}
net n() {
  input x: f32[N, T, 3]
  h, _hs = x -> scan(grow, state = [x.shape[0], 4])
  output y = h
}
train {
  target t: f32[N, 4]
  loss mean_squared_error(y, t)
  optimizer sgd(lr = 0.1)
}"""


def test_the_op_of_a_cell_that_overflows_is_blamed() -> None:
    model = netlang.compile(GROWING, target="reference")
    model.init(1)
    step = model.trainer(1)
    with pytest.raises(NetError) as fault:
        step(x=np.ones((2, 9, 3), np.float32), t=np.ones((2, 4), np.float32))
    assert "mul in 'grow1.mul1' is the first to give inf, from finite inputs" in str(fault.value)
    assert fault.value.spans[0].line == 3
