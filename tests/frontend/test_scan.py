"""`scan` in the language: what goes in, what comes out, whose parameters they are; on both backends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netlang.backends.reference import evaluate
from netlang.driver import backend_for
from netlang.frontend import load
from netlang.ir.graph import Graph
from netlang.passes import inference_pipeline, training_pipeline
from netlang.passes.autodiff import differentiate
from netlang.passes.manager import PassManager
from netlang.runtime.samples import initial_params

Array = NDArray[Any]
RNG = np.random.default_rng(0)


def net(text: str) -> Graph:
    return load(text).net


def results(graph: Graph, feed: Mapping[str, Array], params: Mapping[str, Array] | None = None) -> dict[str, Array]:
    """Outputs on the reference backend, which the cpu backend must agree with."""
    given = initial_params(graph) if params is None else dict(params)
    wanted = evaluate(graph, feed, given)[0]
    backend = backend_for("cpu")
    prepared = PassManager().run(graph, [*inference_pipeline(), *backend.passes])
    found = backend.compile(prepared, threads=1).run(feed, given)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-5, atol=2e-6, err_msg=name)
    return wanted


def normal(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


SUMS = """
block running(x, total, factor = 1) { return total + factor * x }
net n() {
  input x: f32[N, T, 3]
  input first: f32[N, 3]
  last, sums = x -> scan(running, state = first)
  _back, back = x -> scan(running(factor = 2), state = [x.shape[0], 3], reverse = true)
  _along, along = x -> scan(running, state = [x.shape[1], 3], axis = 0)
  deep, _all = x -> scan(running, state = [x.shape[0], x.shape[1]], axis = -1)
  output last
  output sums
  output back
  output along
  output deep
}"""


def test_states_axes_and_directions() -> None:
    x, first = normal(2, 4, 3), normal(2, 3)
    out = results(net(SUMS), {"x": x, "first": first})
    np.testing.assert_allclose(out["sums"], first[:, None] + np.cumsum(x, 1), rtol=1e-5)
    np.testing.assert_allclose(out["last"], out["sums"][:, -1])
    np.testing.assert_allclose(out["back"], 2 * np.cumsum(x[:, ::-1], 1)[:, ::-1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(out["along"], np.cumsum(x, 0), rtol=1e-5)
    np.testing.assert_allclose(out["deep"], x.sum(2), rtol=1e-5, atol=1e-6)


RAGGED = """
block running(x, total) { return total + x, total + x, 2 * total, argmax(x), x > 0 }
net n() {
  input x: f32[N, T, 3]
  input ends: i64[N]
  last, sums, twice, largest, above = x -> scan(running, state = [x.shape[0], 3], lengths = ends)
  first, back, _twice, _largest, _above = x -> scan(running, state = [x.shape[0], 3], lengths = ends, reverse = true)
  output last
  output sums
  output twice
  output largest
  output above
  output first
  output back
}"""


def test_lengths_hold_states_and_silence_the_rest() -> None:
    x, ends = normal(3, 5, 3), np.array([5, 0, 2])
    out = results(net(RAGGED), {"x": x, "ends": ends})
    alive = (np.arange(5) < ends[:, None])[..., None]
    sums = np.cumsum(x * alive, 1)
    np.testing.assert_allclose(out["last"], sums[:, -1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(out["sums"], sums * alive, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(out["twice"], 2 * (sums - x) * alive, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(out["largest"], np.argmax(x, 2) * alive[..., 0])
    np.testing.assert_array_equal(out["above"], (x > 0) & alive)
    np.testing.assert_allclose(out["first"], sums[:, -1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(out["back"][0], np.cumsum(x[0, ::-1], 0)[::-1], rtol=1e-5, atol=1e-6)


SEVERAL = """
block step(x, weight, h, c, picture) {
  look = sum(picture * reshape(h, [h.shape[0], 1, 3]), axis = 1)
  return tanh(x * weight + look), c + weight, look
}
net n() {
  input x: f32[N, T, 3]
  input weight: f32[N, T, 1]
  input picture: f32[N, 6, 3]
  zero = [x.shape[0], 3]
  h, c, looks = (x, weight) -> scan(step(picture = picture), state = [zero, [x.shape[0], 1]])
  output h
  output c
  output looks
}"""


def test_several_sequences_states_and_tensors_from_outside() -> None:
    feed = {"x": normal(2, 4, 3), "weight": normal(2, 4, 1), "picture": 0.2 * normal(2, 6, 3)}
    out = results(net(SEVERAL), feed)
    h, looks = np.zeros((2, 3), np.float32), []
    for t in range(4):
        looks.append((feed["picture"] * h[:, None]).sum(1))
        h = np.tanh(feed["x"][:, t] * feed["weight"][:, t] + looks[-1])
    np.testing.assert_allclose(out["h"], h, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(out["c"], feed["weight"].sum(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(out["looks"], np.stack(looks, 1), rtol=1e-5, atol=1e-6)


SPEAKING = """
block listen(word, h) { return tanh(h + (one_hot(word, 8) -> dense(5))) }
block speak(word, h, cell, head) {
  h2 = (word, h) -> cell
  next = argmax(h2 -> head)
  return next, h2, next
}
net n() {
  input words: i64[N, T]
  cell = listen()
  head = dense(8)
  h, _hs = words -> scan(cell, state = [words.shape[0], 5])
  first = argmax(h -> head)
  _word, _h, said = scan(speak(cell = cell, head = head), state = [first, h], steps = 6)
  output said
}"""


def test_a_generator_hears_what_it_says() -> None:
    graph = net(SPEAKING)
    params = initial_params(graph)
    assert set(params) == {"cell.dense1.weight", "cell.dense1.bias", "head.weight", "head.bias"}
    words = RNG.integers(0, 8, (3, 4))
    out = results(graph, {"words": words}, params)

    def step(word: Array, h: Array) -> Array:
        hot = np.eye(8, dtype=np.float32)[word]
        return np.tanh(h + hot @ params["cell.dense1.weight"].T + params["cell.dense1.bias"])

    h = np.zeros((3, 5), np.float32)
    for t in range(4):
        h = step(words[:, t], h)
    said = []
    word = np.argmax(h @ params["head.weight"].T + params["head.bias"], 1)
    for _ in range(6):
        h = step(word, h)
        word = np.argmax(h @ params["head.weight"].T + params["head.bias"], 1)
        said.append(word)
    np.testing.assert_array_equal(out["said"], np.stack(said, 1))


def test_parameters_are_named_after_the_layer_or_the_binding() -> None:
    graph = net(
        """
        block cell(x, h) { return tanh(h + (x -> dense(4))) }
        net n() {
          input x: f32[N, T, 4]
          a = scan(cell, state = [x.shape[0], 4])
          _h, hs = x -> a
          _k, ks = hs -> a
          _l, ls = ks -> scan(cell, state = [x.shape[0], 4])
          output y = ls -> lstm(3) -> repeat(2, gru(3))
          output w = a.dense1.weight
        }"""
    )
    names = [p.node.name for p in graph.params if p.node.name.endswith("weight")]
    assert names == [
        "a.dense1.weight",
        "cell1.dense1.weight",
        *("lstm1.cell.input_weight", "lstm1.cell.state_weight"),
        *("gru1.cell.input_weight", "gru1.cell.state_weight", "gru2.cell.input_weight", "gru2.cell.state_weight"),
    ]


DRAWING = """
block cell(x, h, mask) { return h, random_uniform(x), x * mask }
net n() {
  input x: f32[N, T, 5]
  mask = bernoulli(0.5, like = slice(x, 1, 0, 1)) -> reshape([x.shape[0], 5])
  _h, other, same = x -> scan(cell(mask = mask), state = [x.shape[0], 5])
  output other
  output same
}"""


def test_draws_are_others_in_every_step_and_those_from_outside_are_not() -> None:
    feed = {"x": np.ones((2, 6, 5), np.float32), "$rng": np.array([7, 3])}
    out = results(net(DRAWING), feed)
    assert len(np.unique(out["other"])) == out["other"].size
    assert 0.3 < out["other"].mean() < 0.7
    assert (out["same"] == out["same"][:, :1]).all()
    assert set(np.unique(out["same"])) == {0.0, 1.0}


INNER = """
block letter(x, h) { return tanh(h + random_uniform(h) + (x -> dense(4))) }
block word(letters, h) {
  last, _all = letters -> scan(letter, state = h)
  return last, last
}
net n() {
  input x: f32[N, W, L, 3]
  h, hs = x -> scan(word, state = [x.shape[0], 4])
  output loss = sum(hs ** 2)
  output h
}"""


def test_loops_in_loops_and_their_draws() -> None:
    graph = net(INNER)
    feed = {"x": normal(2, 3, 4, 3), "$rng": np.array([7, 3])}
    results(graph, feed)
    again = differentiate(graph)
    params = initial_params(graph)
    wanted = evaluate(again, feed, params, dtype=None)[0]
    prepared = PassManager().run(again, training_pipeline())
    for name, value in evaluate(prepared, feed, params)[0].items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_layer_without_states_is_applied_to_every_step() -> None:
    graph = net(
        """net n() {
          input x: f32[N, T, 3]
          output y = x -> scan(dense(4) -> relu)
          output counted = arange(x.shape[1]) -> scan(embedding(9, 2), axis = 0)
        }"""
    )
    params = initial_params(graph)
    x = normal(2, 5, 3)
    out = results(graph, {"x": x}, params)
    wanted = np.maximum(x @ params["dense1.weight"].T + params["dense1.bias"], 0)
    np.testing.assert_allclose(out["y"], wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(out["counted"], params["embedding1.weight"][:5])


@pytest.mark.parametrize("steps", [0, 1])
def test_sequences_may_be_short(steps: int) -> None:
    body = "hs, h, c = x -> lstm(4, states = true)\noutput hs\noutput both = abs(h) + abs(c)"
    out = results(net(f"net n() {{\ninput x: f32[N, T, 3]\n{body}\n}}"), {"x": normal(2, steps, 3)})
    assert out["hs"].shape == (2, steps, 4)
    assert out["both"].any() == bool(steps)


DESCENT = """
block energy(h, x) { return 0.5 * sum((h - x) ** 2) + sum(tanh(h)) }
block descend(h, x, rate) { return h - rate * grad(energy(h, x), h) }
net n() {
  input x: f64[N, 3]
  param rate: f64 = 0.2
  h, _path = scan(descend(x = x, rate = rate), state = 0 * x, steps = 8)
  output h
  output loss = sum(h ** 2)
}"""


def test_a_cell_may_follow_a_gradient_and_be_differentiated() -> None:
    x = RNG.standard_normal((2, 3))

    def descended(rate: float) -> Array:
        h = 0 * x
        for _ in range(8):
            h = h - rate * (h - x + 1 - np.tanh(h) ** 2)
        return h

    graph = differentiate(net(DESCENT))
    out = results(graph, {"x": x}, {"rate": np.array(0.2)})
    np.testing.assert_allclose(out["h"], descended(0.2), rtol=1e-12)
    slope = ((descended(0.2 + 1e-6) ** 2).sum() - (descended(0.2 - 1e-6) ** 2).sum()) / 2e-6
    np.testing.assert_allclose(out["grad.rate"], slope, rtol=1e-6)
