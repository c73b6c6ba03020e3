"""Random nodes of the language: shapes, types, seeds, and the gradient that passes straight through."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netlang
from netlang.cli import main
from netlang.diagnostics import NetError
from netlang.frontend import load

NET = """\
net draws {
  input p: f32[N, 50]
  output uniform = random_uniform(p, low = -1, high = 3)
  output standard = p -> random_uniform
  output normal = random_normal([N, 2, p.shape[1]], mean = 10, std = 2)
  output wide = random_normal(p, dtype = f64)
  output sample = p -> bernoulli
  output coin = bernoulli(0.5, like = p)
  output coins = bernoulli(p = 0.25, like = [N, 400])
  output one = bernoulli(1.0)
}
"""
P = np.tile(np.linspace(0, 1, 50, dtype=np.float32), (40, 1))


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_shapes_types_and_moments(target: str) -> None:
    out = netlang.compile(NET, target=target)(P)
    assert out["normal"].shape == (40, 2, 50) and out["wide"].dtype == np.float64 and out["one"].shape == ()
    assert out["uniform"].min() >= -1 and 2 < out["uniform"].max() < 3 and out["standard"].min() >= 0
    assert abs(out["normal"].mean() - 10) < 0.1 and abs(out["normal"].std() - 2) < 0.1
    assert set(np.unique(out["sample"])) == {0, 1} and out["sample"].dtype == np.float32
    assert not out["sample"][:, 0].any() and out["sample"][:, -1].all()
    assert np.abs(out["sample"].mean(0) - P[0]).max() < 0.3
    assert abs(out["coins"].mean() - 0.25) < 0.02 and abs(out["coin"].mean() - 0.5) < 0.05 and out["one"] == 1


def test_both_backends_draw_the_same() -> None:
    ours, theirs = (netlang.compile(NET, target=t)(P, seed=7) for t in ("cpu", "reference"))
    for name in ("standard", "wide", "sample", "coin", "coins"):
        assert np.array_equal(ours[name], theirs[name]), name
    assert np.allclose(ours["normal"], theirs["normal"], rtol=1e-6)


def test_every_call_draws_others_and_a_seed_begins_anew() -> None:
    model = netlang.compile("net n {\n  input x: f32[N]\n  output y = random_normal(x)\n}\n", target="reference")
    x = np.zeros(9, np.float32)
    first, second = model(x), model(x)
    assert model.seed == 0 and not np.any(first == second)
    model.seed = 0
    assert np.array_equal(model(x), first) and np.array_equal(model(x), second)
    third = model(x, seed=3)
    assert np.array_equal(model(x, seed=3), third) and not np.any(third == first)
    model.seed = 3
    assert np.array_equal(model(x=x), third)
    for seed in (-1, 1.5, True):
        with pytest.raises(NetError, match="a seed is a whole number"):
            model(x, seed=seed)


def test_an_input_called_seed_and_a_net_without_random_nodes() -> None:
    text = "net n {\n  input x: f32[N]\n  input seed: f32[N]\n  output y = x + seed + 0 * random_normal(x)\n}\n"
    x = np.ones(3, np.float32)
    assert netlang.compile(text, target="reference")(x, seed=x).tolist() == [2, 2, 2]
    with pytest.raises(NetError, match="has no random nodes"):
        netlang.compile("net n {\n  input x: f32[N]\n  output y = x\n}\n", target="reference")(x, seed=1)


def test_seed_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("n.net").write_text("net n {\n  input x: f32[N]\n  output y = random_uniform(x)\n}\n")
    np.save("x.npy", np.zeros(5, np.float32))
    found = []
    for seed in ("4", "4", "5"):
        arguments = ["run", "n.net", "--input", "x.npy", "--output", "y.npy", "--target", "reference", "--seed", seed]
        assert main(arguments) == 0
        found.append(np.load("y.npy"))
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])


def test_straight_through_has_the_value_of_one_and_the_gradient_of_the_other() -> None:
    text = """\
net n {
  input x: f32[N]
  hard = straight_through(sign(x), 3 * x)
  output y = hard
  output slope = grad(sum(hard * hard), x)
}
"""
    x = np.array([-2, -0.3, 0.1, 7], np.float32)
    for target in ("reference", "cpu"):
        out = netlang.compile(text, target=target)(x)
        assert out["y"].tolist() == [-1, -1, 1, 1] and out["slope"].tolist() == [-6, -6, 6, 6]


def test_evaluation_of_a_random_loss_is_reproducible_and_draws_others_in_every_batch() -> None:
    text = """\
net n {
  input x: f32[N, 4]
  h = x -> dense(3)
  output y = h
}
train {
  loss mean(h ** 2)
  metric drawn = mean(random_normal(h))
  optimizer sgd(lr = 0.1)
}
"""
    trainer = netlang.compile(text, target="reference").trainer(seed=1)
    data = {"x": np.ones((6, 4), np.float32)}
    assert trainer.evaluate(data, batch=3) == trainer.evaluate(data, batch=3)
    assert trainer.evaluate(data, batch=3)["drawn"] != trainer.evaluate({"x": data["x"][:3]})["drawn"]


@pytest.mark.parametrize(
    ("line", "column", "message", "hint"),
    [
        ("random_uniform(x, low = 2, high = 1)", 14, "'low' 2 is above 'high' 1", ""),
        ("random_normal([N, 0])", 14, "a size is a whole number of at least 1, not the number 0", ""),
        ("random_normal(3)", 14, "drawn like a tensor or of the sizes in a list, not the number 3", ""),
        ("random_normal(k)", 14, "random numbers like i64[N] need a floating-point type", "dtype = f32"),
        ("random_normal(x, dtype = i32)", 14, "have a floating-point type such as f32, not the element type i32", ""),
        ("bernoulli(1.5, x)", 14, "a probability is from 0 to 1, got 1.5", ""),
        ("k -> bernoulli", 19, "needs floating-point probabilities, got i64[N]", ""),
        ("bernoulli([0.5])", 14, "a probability is a tensor or a number, not a list of 1", ""),
        (
            "straight_through(x, reshape(x, [-1, 1]))",
            14,
            "straight_through: [N] cannot have the gradient of [N, 1]",
            "",
        ),
        ("random_like(x)", 14, "unknown layer or function 'random_like'", ""),
    ],
)
def test_faults(line: str, column: int, message: str, hint: str) -> None:
    with pytest.raises(NetError) as raised:
        load(f"net n {{\n  input x: f32[N]\n  input k: i64[N]\n  output y = {line}\n}}\n")
    found = raised.value.diagnostics[0]
    assert (found.spans[0].line, found.spans[0].column) == (4, column)
    assert message in found.message and hint in found.hint
