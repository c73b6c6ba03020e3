"""Small modules of the usual kinds as PyTorch exports them, with sizes left open: the same numbers for other sizes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netlang
from netlang.interchange.importing import import_onnx

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402


class Function(nn.Module):
    """Layers by their names, and what is done with them."""

    def __init__(self, forward: Any, **layers: nn.Module) -> None:
        super().__init__()
        self.layers, self.function = nn.ModuleDict(layers), forward

    def forward(self, x: Any) -> Any:
        return self.function(x, **self.layers)


def pooled(x: Any, conv: Any, head: Any) -> Any:
    y = F.adaptive_avg_pool2d(F.relu(conv(x)), 2)
    return head(y.view(y.size(0), -1))


def residual(x: Any, a: Any, b: Any, c: Any, short: Any) -> Any:
    return F.relu(c(F.relu(b(a(x)))) + short(x))


def recurrent(x: Any, lstm: Any, head: Any) -> Any:
    return head(lstm(x)[0][:, -1])


def skipped(x: Any, down: Any, deep: Any, head: Any) -> Any:
    wide = F.relu(down(x))
    small = F.relu(deep(F.max_pool2d(wide, 2)))
    return head(torch.cat([wide, F.interpolate(small, size=wide.shape[2:], mode="nearest")], 1))


def separable(x: Any, depth: Any, point: Any, norm: Any) -> Any:
    return F.hardswish(norm(point(F.relu6(depth(x))))).mean((2, 3))


def attended(x: Any, heads: Any) -> Any:
    b, t, c = x.shape
    q, k, v = (z.view(b, t, 2, c // 2).transpose(1, 2) for z in heads(x).chunk(3, -1))
    hidden = torch.triu(torch.full((t, t), -1e9), 1)
    weights = torch.softmax(torch.einsum("bhqd,bhkd->bhqk", q, k) / 2 + hidden, -1)
    return torch.einsum("bhqk,bhkd->bhqd", weights, v).transpose(1, 2).reshape(b, t, c)


def encoded(x: Any, layer: Any) -> Any:
    return layer(x)


def bagged(x: Any, words: Any, head: Any) -> Any:
    known = (x > 0).float().unsqueeze(-1)
    return head((words(x) * known).sum(1) / known.sum(1).clamp(min=1))


def placed(x: Any) -> Any:
    b, t, c = x.shape
    places = torch.arange(t).unsqueeze(0).expand(b, t).unsqueeze(-1).float() / t + torch.zeros(b, t, 1)
    return torch.where(places > 0.5, x, torch.zeros_like(x)) + x.new_ones(b, t, c)


def shuffled(x: Any) -> Any:
    b, c, h, w = x.shape
    y = x.reshape(b, c // 2, 2, h, w).transpose(1, 2).reshape(b, -1, h, w)
    first, rest = y.split([1, c - 1], 1)
    return torch.cat([rest, first], 1) * y.size(1)


MODULES: dict[str, tuple[Any, tuple[int, ...], dict[int, str]]] = {
    "mlp": (
        lambda: nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 3), nn.LogSoftmax(-1)),
        (6,),
        {0: "N"},
    ),
    "pooling": (lambda: Function(pooled, conv=nn.Conv2d(1, 4, 3), head=nn.Linear(16, 5)), (1, 8, 8), {0: "N"}),
    "residual": (
        lambda: Function(
            residual,
            a=nn.Conv2d(3, 4, 3, 2, 1, bias=False),
            b=nn.BatchNorm2d(4),
            c=nn.Conv2d(4, 4, 3, 1, 1),
            short=nn.Conv2d(3, 4, 1, 2),
        ),
        (3, 8, 8),
        {0: "N", 2: "H", 3: "W"},
    ),
    "lstm": (
        lambda: Function(recurrent, lstm=nn.LSTM(4, 3, batch_first=True, bidirectional=True), head=nn.Linear(6, 2)),
        (5, 4),
        {0: "N", 1: "T"},
    ),
    "encoder": (
        lambda: Function(encoded, layer=nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)),
        (5, 8),
        {0: "N"},
    ),
    "unet": (
        lambda: Function(
            skipped,
            down=nn.Conv2d(1, 4, 3, padding=1),
            deep=nn.Conv2d(4, 8, 3, padding=1),
            head=nn.Conv2d(12, 2, 3),
        ),
        (1, 8, 8),
        {0: "N"},
    ),
    "depthwise": (
        lambda: Function(
            separable, depth=nn.Conv2d(4, 4, 3, groups=4), point=nn.Conv2d(4, 6, 1), norm=nn.GroupNorm(2, 6)
        ),
        (4, 6, 6),
        {0: "N"},
    ),
    "attention": (lambda: Function(attended, heads=nn.Linear(8, 24)), (5, 8), {0: "N", 1: "T"}),
    "bag": (lambda: Function(bagged, words=nn.Embedding(20, 6), head=nn.Linear(6, 3)), (7,), {0: "N", 1: "T"}),
    "places": (lambda: Function(placed), (5, 3), {0: "N", 1: "T"}),
    "shuffle": (lambda: Function(shuffled), (4, 3, 3), {0: "N", 2: "H", 3: "W"}),
}


@pytest.fixture(autouse=True)
def plain_attention() -> Iterator[None]:
    """Layers as they are written down rather than PyTorch's kernels for them, which are not exported."""
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(True)


def drawn(name: str, *shape: int) -> Any:
    return torch.randint(0, 20, shape) if name == "bag" else torch.randn(*shape)


@pytest.mark.parametrize("name", MODULES)
def test_module(name: str, tmp_path: Path) -> None:
    make, shape, open_axes = MODULES[name]
    torch.manual_seed(0)
    module, path = make().eval(), tmp_path / "module.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (drawn(name, 2, *shape),), path, dynamo=False, input_names=["x"], dynamic_axes={"x": open_axes}
        )
    found = import_onnx(path)
    found.write(path.with_suffix(".net"))
    model = netlang.compile(path.with_suffix(".net"), target="reference")
    if found.weights:
        model.load_weights(path.with_suffix(".safetensors"))
    for batch, more in ((1, 0), (3, 2)):
        sizes = [batch, *(size + more if axis in open_axes else size for axis, size in enumerate(shape, 1))]
        x = drawn(name, *sizes)
        with torch.no_grad():
            expected = module(x).numpy()
        np.testing.assert_allclose(model(x=x.numpy()), expected, rtol=1e-4, atol=1e-5)
