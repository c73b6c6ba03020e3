"""What surrounds a tensor, in all modes and on any axes, against NumPy."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

import netlang
from netlang.diagnostics import NetError
from tests.frontend.test_std import normal, results

MODES: tuple[Literal["reflect", "edge", "wrap"], ...] = ("reflect", "edge", "wrap")


@pytest.mark.parametrize("mode", MODES)
def test_a_tensor_is_surrounded_by_its_own_elements(mode: Literal["reflect", "edge", "wrap"]) -> None:
    x = normal(2, 3, 4, 5)
    body = f"""\
output all = pad(x, 3, mode = "{mode}")
output some = pad(x, [[0, 4], [1, 0]], mode = "{mode}", axes = [-1, 0])
output far = pad(x, [9, 0], mode = "{mode}")
"""
    out = results(body, {"x": x})
    np.testing.assert_array_equal(out["all"], np.pad(x, ((0, 0), (0, 0), (3, 3), (3, 3)), mode))
    np.testing.assert_array_equal(out["some"], np.pad(x, ((1, 0), (0, 0), (0, 0), (0, 4)), mode))
    np.testing.assert_array_equal(out["far"], np.pad(x, ((0, 0), (0, 0), (9, 9), (0, 0)), mode))


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_sizes_that_are_known_only_when_the_net_runs(target: str) -> None:
    lines = "\n".join(f'  output {m} = pad(x, [[2, 1], [0, 3]], mode = "{m}")' for m in MODES)
    model = netlang.compile("net n() {\n  input x: f32[N, 1, H, W]\n" + lines + "\n}\n", target=target)
    x = normal(2, 1, 4, 5).astype(np.float32)
    found = model(x)
    for mode in MODES:
        np.testing.assert_array_equal(found[mode], np.pad(x, ((0, 0), (0, 0), (2, 1), (0, 3)), mode))
    with pytest.raises(NetError):
        model(x[:, :, :1])


def test_gradients_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    x, g = normal(1, 2, 4, 5), normal(1, 2, 8, 8)
    for ours, theirs in (("reflect", "reflect"), ("edge", "replicate"), ("wrap", "circular")):
        tensor = torch.tensor(x, requires_grad=True)
        torch.nn.functional.pad(tensor, (2, 1, 1, 3), theirs).backward(torch.tensor(g))
        out = results(f'output d = grad(sum(pad(x, [[1, 3], [2, 1]], mode = "{ours}") * g), x)', {"x": x, "g": g})
        np.testing.assert_allclose(out["d"], tensor.grad)


def test_negative_amounts_cut_off() -> None:
    x = normal(2, 3, 6, 5)
    body = """\
output cut = pad(x, -1)
output both = pad(x, [[-2, 3], [1, -4]], value = 7)
output around = pad(x, [[-2, 3], [1, -1]], mode = "reflect")
"""
    out = results(body, {"x": x})
    np.testing.assert_array_equal(out["cut"], x[:, :, 1:-1, 1:-1])
    around: Any = ((0, 0), (0, 0), (0, 3), (1, 0))
    np.testing.assert_array_equal(out["both"], np.pad(x[:, :, 2:, :-4], around, constant_values=7))
    np.testing.assert_array_equal(out["around"], np.pad(x[:, :, 2:, :-1], around, "reflect"))


def test_faults() -> None:
    for text, message in (
        ("pad(x, -3)", "nothing is left of axis 2"),
        ('pad(x, 1, mode = "mirror")', "mode is constant or reflect or edge or wrap, not the word mirror"),
        ("pad(x, 1, axes = [1, 1])", "an axis is named twice"),
    ):
        with pytest.raises(NetError, match=message):
            results(f"output y = {text}", {"x": normal(1, 2, 4, 5)})
