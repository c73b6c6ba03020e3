"""Attention of all kinds, against PyTorch and by hand."""

from __future__ import annotations

import numpy as np
import pytest

import netlang
from tests.frontend.test_std import normal, results


def test_scaled_dot_product() -> None:
    torch = pytest.importorskip("torch")
    q, k, v = normal(2, 3, 4, 8), normal(2, 3, 6, 8), normal(2, 3, 6, 5)
    mask = np.random.default_rng(0).random((2, 1, 4, 6)) < 0.7
    mask[..., 0] = True
    tensors = list(map(torch.tensor, (q, k, v)))
    wanted = torch.nn.functional.scaled_dot_product_attention
    given = {"q": q, "k": k, "v": v}
    np.testing.assert_allclose(results("output y = attention(q, k, v)", given)["y"], wanted(*tensors), rtol=1e-9)
    body = "m = s > 0\noutput y = attention(q, k, v, mask = m)"
    masked = results(body, {**given, "s": mask.astype(np.int64)})["y"]
    np.testing.assert_allclose(masked, wanted(*tensors, attn_mask=torch.tensor(mask)), rtol=1e-9)


def test_causal_attention() -> None:
    torch = pytest.importorskip("torch")
    q, k, v = normal(2, 5, 4), normal(2, 5, 4), normal(2, 5, 3)
    wanted = torch.nn.functional.scaled_dot_product_attention(*map(torch.tensor, (q, k, v)), is_causal=True)
    found = results("output y = (q, k, v) -> attention(causal = true)", {"q": q, "k": k, "v": v})["y"]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_who_may_look_nowhere_sees_nothing() -> None:
    given = {"q": normal(1, 2, 4), "k": normal(1, 3, 4), "s": np.array([[[0, 0, 0], [1, 0, 1]]])}
    weights = results("output w = attention_weights(q, k, mask = s > 0)", given)["w"]
    assert weights[0, 0].tolist() == [0, 0, 0]
    assert weights[0, 1, 1] == 0 and np.isclose(weights[0, 1].sum(), 1)


def test_multihead_attention_is_that_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    x, there = normal(2, 4, 6), normal(2, 5, 6)
    seen = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    layer = torch.nn.MultiheadAttention(6, 3, batch_first=True, dtype=torch.float64)
    weights, biases = layer.in_proj_weight.detach().numpy(), layer.in_proj_bias.detach().numpy() + normal(18)
    with torch.no_grad():
        layer.in_proj_bias.copy_(torch.tensor(biases))
    params = {}
    for i, name in enumerate(("query", "key", "value")):
        params[f"multihead_attention1.{name}.weight"] = weights[6 * i : 6 * i + 6]
        params[f"multihead_attention1.{name}.bias"] = biases[6 * i : 6 * i + 6]
    params["multihead_attention1.output.weight"] = layer.out_proj.weight.detach().numpy()
    params["multihead_attention1.output.bias"] = layer.out_proj.bias.detach().numpy()
    a, b = torch.tensor(x), torch.tensor(there)
    wanted = layer(a, b, b, key_padding_mask=torch.tensor(seen == 0), need_weights=False)[0].detach()
    body = "output y = multihead_attention(x, 3, context = there, mask = seen > 0)"
    found = results(body, {"x": x, "there": there, "seen": seen}, params)["y"]
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-9)


def test_additive_attention_by_hand() -> None:
    query, keys = normal(2, 3), normal(2, 4, 5)
    w, u, b, v = normal(6, 3), normal(6, 5), normal(6), normal(1, 6)
    names = ("query_weight", "key_weight", "bias", "score_weight")
    params = {f"additive_attention1.{n}": p for n, p in zip(names, (w, u, b, v), strict=True)}
    scores = (np.tanh((query @ w.T)[:, None] + keys @ u.T + b) @ v.T)[..., 0]
    weights = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    body = "seen, weights = (query, keys) -> additive_attention(6)\noutput seen\noutput weights"
    out = results(body, {"query": query, "keys": keys}, params)
    np.testing.assert_allclose(out["weights"], weights, rtol=1e-9)
    np.testing.assert_allclose(out["seen"], np.einsum("ns,nsf->nf", weights, keys), rtol=1e-9)


TEXT = """\
net n() {
  input x: f32[N, T, 8]
  input lengths: i64[N]
  there = reshape(lengths, [N, 1]) > arange(T)
  h = x -> layernorm -> multihead_attention(2, mask = there, causal = true)
  seen, weights = (mean(h, axis = 1), h) -> additive_attention(6, mask = there)
  output seen
  output weights
  output slope = grad(sum(seen ** 2), x)
}
"""


def test_the_cpu_computes_and_differentiates_it_for_any_length() -> None:
    compiled = [netlang.compile(TEXT, target=t).init(1) for t in ("cpu", "reference")]
    for steps in (1, 5, 19):
        x = normal(3, steps, 8).astype(np.float32)
        found, wanted = (model(x=x, lengths=np.array([steps, 1, (steps + 1) // 2])) for model in compiled)
        for name in wanted:
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-4, atol=1e-5)
        assert (found["weights"][1, 1:] == 0).all()
