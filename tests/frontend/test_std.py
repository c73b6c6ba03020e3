"""The standard library against NumPy, run by the reference backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netlang.backends.reference import evaluate
from netlang.frontend import load
from netlang.ir.graph import Graph
from netlang.ir.module import Module

Array = NDArray[Any]
RNG = np.random.default_rng(0)


def weights(graph: Graph) -> dict[str, Array]:
    """Values for all parameters: random where they are trained."""
    found = {}
    for p in graph.params:
        shape = tuple(int(d) for d in p.shape)  # type: ignore[arg-type]
        random = RNG.standard_normal(shape)
        found[p.node.name] = (random if p.node.attrs["role"] == "weight" else np.ones(shape)).astype(p.dtype.numpy)
    return found


def results(body: str, inputs: Mapping[str, Array], params: Mapping[str, Array] | None = None) -> dict[str, Array]:
    """Outputs of a net of this body; float64 throughout."""
    names = {np.dtype(np.float64): "f64", np.dtype(np.int64): "i64"}
    lines = [f"input {n}: {names[a.dtype]}{list(a.shape)}" for n, a in inputs.items()]
    graph = load("net n() {\n" + "\n".join([*lines, body]) + "\n}\n").net
    return evaluate(graph, inputs, weights(graph) if params is None else params)[0]


def normal(*shape: int) -> Array:
    return RNG.standard_normal(shape)


def test_dense() -> None:
    x, w, b = normal(2, 5), normal(3, 5), normal(3)
    out = results("output y = x -> dense(3)", {"x": x}, {"dense1.weight": w, "dense1.bias": b})
    np.testing.assert_allclose(out["y"], x @ w.T + b)
    x = normal(2, 4, 5)
    out = results("output y = x -> dense(3, axis = -1)", {"x": x}, {"dense1.weight": w, "dense1.bias": b})
    np.testing.assert_allclose(out["y"], x @ w.T + b)


def test_conv_pads_strides_and_flips() -> None:
    x, w = normal(1, 1, 5, 5), normal(1, 1, 3, 3)
    params = {"conv1.weight": w}

    def shape(arguments: str) -> tuple[int, ...]:
        out = results(f"output y = x -> conv(1, 3, bias = false, {arguments})", {"x": x}, params)
        return tuple(out["y"].shape[2:])

    assert shape("pad = valid") == (3, 3)
    assert shape("pad = same") == (5, 5)
    assert shape("pad = full") == (7, 7)
    assert shape("pad = same, stride = 2") == (3, 3)
    assert shape("pad = [1, 0]") == (5, 3)
    assert shape("pad = [[2, 0], [0, 1]]") == (5, 4)
    assert shape("dilation = 2") == (1, 1)
    a = results("output y = x -> conv(1, 3, bias = false, flip = true)", {"x": x}, params)
    b = results("output y = x -> conv(1, 3, bias = false)", {"x": x}, {"conv1.weight": w[..., ::-1, ::-1].copy()})
    np.testing.assert_allclose(a["y"], b["y"])


def test_same_padding_puts_the_larger_half_at_the_end() -> None:
    out = results("output y = x -> conv(1, 2, pad = same, bias = false)", {"x": np.ones((1, 1, 3, 3))},
                  {"conv1.weight": np.ones((1, 1, 2, 2))})  # fmt: skip
    assert out["y"][0, 0].tolist() == [[4, 4, 2], [4, 4, 2], [2, 2, 1]]


def test_convolution_of_signals() -> None:
    out = results("output y = x -> conv(4, 3, groups = 2)", {"x": normal(2, 6, 9)})
    assert out["y"].shape == (2, 4, 7)


def test_pools() -> None:
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    out = results(
        "output a = x -> maxpool(2)\noutput b = x -> avgpool(2)\noutput c = x -> sumpool(2)\n"
        "output d = x -> l2pool(2)\noutput e = x -> maxpool(3, stride = 2, pad = 1)\n"
        "output f = x -> maxpool([1, 2], ceil_mode = true)",
        {"x": x},
    )
    assert out["a"].ravel().tolist() == [5, 7, 13, 15]
    assert out["b"].ravel().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert out["c"].ravel().tolist() == [10, 18, 42, 50]
    np.testing.assert_allclose(out["d"].ravel()[0], np.sqrt(0 + 1 + 16 + 25))
    assert out["e"].shape == (1, 1, 2, 2) and out["f"].shape == (1, 1, 4, 2)


def test_local_response_norm_in_both_conventions() -> None:
    """PyTorch divides alpha by the size; the paper (Krizhevsky et al. 2012) does not."""
    x = np.arange(6.0).reshape(1, 6, 1)
    out = results(
        "output a = x -> local_response_norm(5, alpha = 0.5, beta = 0.5)\n"
        "output b = x -> local_response_norm(size = 3, alpha = 3 * 0.1, k = 2)",
        {"x": x},
    )
    np.testing.assert_allclose(out["a"][0, 2, 0], 2 / np.sqrt(1 + 0.5 / 5 * (0 + 1 + 4 + 9 + 16)))
    np.testing.assert_allclose(out["b"][0, 5, 0], 5 / (2 + 0.1 * (16 + 25)) ** 0.75)


def test_shapes() -> None:
    x = normal(2, 3, 4, 5)
    out = results(
        "output a = x -> flatten\noutput b = x -> flatten(2)\noutput c = x -> global_avgpool\n"
        "output d = x -> global_maxpool\np, q = x -> split(2, axis = 2)\noutput e = q - p\n"
        "output f = transpose(x, [0, 3, 1, 2])\noutput g = transpose(x)\noutput h = x -> pad([1, [0, 2]], value = 3)\n"
        "output i = slice(x, -1, -2) \noutput j = reshape(x, [6, -1])\noutput k = x -> pad(1, axes = [1])",
        {"x": x},
    )
    np.testing.assert_array_equal(out["a"], x.reshape(2, 60))
    np.testing.assert_array_equal(out["b"], x.reshape(2, 3, 20))
    np.testing.assert_allclose(out["c"], x.mean((2, 3)))
    np.testing.assert_array_equal(out["d"], x.max((2, 3)))
    np.testing.assert_allclose(out["e"], x[:, :, 2:] - x[:, :, :2])
    np.testing.assert_array_equal(out["f"], x.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(out["g"], x.T)
    np.testing.assert_array_equal(out["h"], np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 2)), constant_values=3))
    np.testing.assert_array_equal(out["i"], x[..., -2:])
    np.testing.assert_array_equal(out["j"], x.reshape(6, 20))
    assert out["k"].shape == (2, 5, 4, 5)


def test_infix_operators() -> None:
    a, b = np.abs(normal(3, 4)) + 0.5, np.abs(normal(4)) + 0.5
    out = results(
        "output c = (a + b) * 2 - a / b\noutput d = a ** 2 + a ** 0.5 + a ** b\noutput e = a // b + a % b\n"
        "output f = where(a > b and not (a == b), a, -1)\noutput g = a @ transpose(a)\n"
        "output h = max(a, b) - min(a, 1) + abs(-a)",
        {"a": a, "b": b},
    )
    np.testing.assert_allclose(out["c"], (a + b) * 2 - a / b)
    np.testing.assert_allclose(out["d"], a**2 + a**0.5 + a**b)
    np.testing.assert_allclose(out["e"], a // b + a % b)
    np.testing.assert_allclose(out["f"], np.where(a > b, a, -1))
    np.testing.assert_allclose(out["g"], a @ a.T)
    np.testing.assert_allclose(out["h"], np.maximum(a, b) - np.minimum(a, 1) + a)


def test_losses_and_metrics() -> None:
    z, label = normal(6, 4), RNG.integers(0, 4, 6)
    t = np.eye(4)[RNG.integers(0, 4, 6)]
    out = results(
        "output ce = cross_entropy(z, label)\noutput soft = cross_entropy(z, t)\noutput se = squared_error(z, t)\n"
        "output mse = mean_squared_error(z, t)\noutput bce = binary_cross_entropy(z, t)\n"
        "output acc = accuracy(z, label)\noutput p = l1(z) + l2(z)",
        {"z": z, "t": t, "label": label},
    )
    logs = z - np.log(np.exp(z).sum(1, keepdims=True))
    np.testing.assert_allclose(out["ce"], -logs[np.arange(6), label].mean())
    np.testing.assert_allclose(out["soft"], -(logs * t).sum(1).mean())
    np.testing.assert_allclose(out["se"], 0.5 * ((z - t) ** 2).sum(1).mean())
    np.testing.assert_allclose(out["mse"], ((z - t) ** 2).mean())
    s = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(out["bce"], -(t * np.log(s) + (1 - t) * np.log(1 - s)).mean())
    np.testing.assert_allclose(out["acc"], (z.argmax(1) == label).mean(), rtol=1e-6)
    np.testing.assert_allclose(out["p"], np.abs(z).sum() + 0.5 * (z**2).sum())


def test_embedding_residual_and_silu() -> None:
    k, x = RNG.integers(0, 7, (2, 3)), normal(2, 5)
    table = normal(7, 4).astype(np.float32)
    out = results("output e = k -> embedding(7, 4)", {"k": k}, {"embedding1.weight": table})
    np.testing.assert_array_equal(out["e"], table[k])
    out = results("output r = x -> residual(silu)", {"x": x})
    np.testing.assert_allclose(out["r"], x + x / (1 + np.exp(-x)))


def _trained(body: str) -> Module:
    return load(
        f"net n() {{\n  input x: f64[N, 3, 4]\n  {body}\n}}\ntrain {{\n  loss mean(y)\n  optimizer adam()\n}}\n"
    )


def test_batchnorm_in_training_and_evaluation() -> None:
    module = _trained("output y = x -> batchnorm(momentum = 0.2)")
    assert module.train is not None
    x = normal(5, 3, 4)
    params = {
        "batchnorm1.weight": normal(3), "batchnorm1.bias": normal(3),
        "batchnorm1.running_mean": normal(3), "batchnorm1.running_var": np.abs(normal(3)) + 0.1,
    }  # fmt: skip
    _, updates = evaluate(module.train.graph, {"x": x}, params)
    mean, var = x.mean((0, 2)), x.var((0, 2), ddof=1)
    np.testing.assert_allclose(updates["batchnorm1.running_mean"], 0.8 * params["batchnorm1.running_mean"] + 0.2 * mean)
    np.testing.assert_allclose(updates["batchnorm1.running_var"], 0.8 * params["batchnorm1.running_var"] + 0.2 * var)
    out, _ = evaluate(module.net, {"x": x}, params)
    m, v, w, b = (params[f"batchnorm1.{n}"][:, None] for n in ("running_mean", "running_var", "weight", "bias"))
    np.testing.assert_allclose(out["y"], (x - m) / np.sqrt(v + 1e-5) * w + b)


def test_dropout_keeps_the_mean_and_is_gone_in_evaluation() -> None:
    module = _trained("output y = x -> dropout(0.25)")
    assert module.train is not None
    x = np.ones((2000, 3, 4))
    kept = Graph("g", module.train.graph.inputs, (), (("y", _of(module.train.graph, "where")),))
    y = evaluate(kept, {"x": x, "$rng": np.array([1, 0])}, {})[0]["y"]
    assert {round(float(v), 9) for v in np.unique(y)} == {0.0, round(4 / 3, 9)}
    assert abs(y.mean() - 1) < 0.02
    assert [n.op for n in module.net.nodes] == ["input"]


def _of(graph: Graph, op: str) -> Any:
    return next(n.out for n in graph.nodes if n.op == op)


@pytest.mark.parametrize(
    "name", ["relu", "sigmoid", "tanh", "gelu", "softplus", "elu(0.5)", "leaky_relu(0.2)", "erf", "exp"]
)
def test_activations_are_there_under_their_own_names(name: str) -> None:
    out = results(f"output y = x -> {name}", {"x": normal(2, 3)})
    assert out["y"].shape == (2, 3)
