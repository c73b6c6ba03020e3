"""Three networks, each written twice: as a netlang graph and in PyTorch, over parameters of the same names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from netlang.ir.dims import sym
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType
from tests.nets import Net, lenet5, mean_cross_entropy

BATCH = 6
MOMENTUM = 0.1
"""Weight of the new batch in running statistics, PyTorch's default."""

Tensors = dict[str, Any]


@dataclass(frozen=True)
class Peer:
    """`graph` has the inputs image and label and the output loss; `logits` computes the same from torch tensors.

    `logits(params, buffers, image)` updates `buffers` in place.
    """

    name: str
    graph: Callable[[DType], Graph]
    logits: Callable[[Tensors, Tensors, Any], Any]


def functional() -> Any:
    import torch  # an extra of the tests: loaded only where it is there

    return torch.nn.functional


# ---- LeNet-5


def _lenet5_graph(dtype: DType) -> Graph:
    return lenet5(train=True, size=28, dtype=dtype)


def _lenet5_logits(params: Tensors, buffers: Tensors, image: Any) -> Any:
    f = functional()
    h = f.max_pool2d(f.relu(f.conv2d(image, params["conv1.weight"], params["conv1.bias"])), 2)
    h = f.max_pool2d(f.relu(f.conv2d(h, params["conv2.weight"], params["conv2.bias"])), 2)
    h = f.relu(f.linear(h.flatten(1), params["fc1.weight"], params["fc1.bias"]))
    h = f.relu(f.linear(h, params["fc2.weight"], params["fc2.bias"]))
    return f.linear(h, params["fc3.weight"], params["fc3.bias"])


# ---- convolutions with batch normalisation


def _batch_normalized(net: Net, name: str, x: Value, count: int) -> Value:
    """Normalised by the batch; the running variance is kept unbiased. `count`: elements per channel."""
    make, channels = net.line(name), x.shape[1]
    gamma, beta = (net.param(make, f"{name}.{p}", channels) for p in ("gamma", "beta"))
    y, mean, var = make.node("batchnorm_train", x, gamma, beta).results
    for part, new in (("mean", mean), ("var", make.scale(var, count / (count - 1)))):
        old = net.param(make, f"{name}.{part}", channels, role="buffer")
        net.updates.append((f"{name}.{part}", make.add(make.scale(old, 1 - MOMENTUM), make.scale(new, MOMENTUM))))
    return y


def _batchnorm_graph(dtype: DType) -> Graph:
    net = Net("batchnorm_net", dtype)
    image, label = net.input("image", BATCH, 2, 9, 9), net.input("label", BATCH, dtype=DType.I64)
    h = net.conv("conv1", image, 5, 3, bias=False, pad=1)
    h = net.line("relu1").op("relu", _batch_normalized(net, "bn1", h, BATCH * 81))
    h = net.pool(h, op="avg_pool")
    h = net.conv("conv2", h, 7, 3, bias=False)
    h = net.line("elu2").op("elu", _batch_normalized(net, "bn2", h, BATCH * 4))
    return net.graph(loss=mean_cross_entropy(net, net.dense("fc", net.flatten(h), 10), label))


def _batchnorm_logits(params: Tensors, buffers: Tensors, image: Any) -> Any:
    f = functional()

    def normalized(name: str, x: Any) -> Any:
        statistics = buffers[f"{name}.mean"], buffers[f"{name}.var"]
        return f.batch_norm(x, *statistics, params[f"{name}.gamma"], params[f"{name}.beta"], True, MOMENTUM)

    h = f.relu(normalized("bn1", f.conv2d(image, params["conv1.weight"], padding=1)))
    h = f.elu(normalized("bn2", f.conv2d(f.avg_pool2d(h, 2), params["conv2.weight"])))
    return f.linear(h.flatten(1), params["fc.weight"], params["fc.bias"])


# ---- strided, dilated, grouped convolutions, padded unevenly; one of them flipped

_STAGES: tuple[tuple[str, tuple[int, ...], dict[str, Any], str], ...] = (
    ("c1", (8, 3, 3, 5), {"stride": (2, 1), "pad": ((1, 2), (0, 3)), "dilation": (1, 1), "groups": 1}, "leaky_relu"),
    ("c2", (12, 4, 3, 3), {"stride": (1, 2), "pad": ((2, 2), (1, 0)), "dilation": (2, 1), "groups": 2}, "tanh"),
    ("c3", (12, 1, 2, 3), {"stride": (1, 1), "pad": ((0, 1), (2, 1)), "dilation": (1, 2), "groups": 12}, "gelu"),
    ("c4", (6, 4, 3, 2), {"stride": (2, 2), "pad": ((1, 1), (0, 0)), "dilation": (1, 1), "groups": 3}, "sigmoid"),
)
_FLIPPED = "c3"


def _stack_graph(dtype: DType) -> Graph:
    net = Net("conv_stack", dtype)
    n = sym("N")
    h, label = net.input("image", n, 3, 11, 10), net.input("label", n, dtype=DType.I64)
    for name, shape, geometry, activation in _STAGES:
        make = net.line(name)
        w, b = net.param(make, f"{name}.weight", *shape), net.param(make, f"{name}.bias", shape[0])
        h = make.add(make.op("conv", h, w, flip=name == _FLIPPED, **geometry), make.along(b, h.rank, 1))
        h = make.op(activation, h)
    geometry = {"kernel": (2, 2), "stride": (1, 1), "pad": ((1, 0), (0, 1))}
    h = net.line("l2").op("l2_pool", h, **geometry)
    return net.graph(loss=mean_cross_entropy(net, net.dense("fc", net.flatten(h), 10), label))


def _sides(pad: tuple[tuple[int, int], ...]) -> list[int]:
    """Padding as torch.nn.functional.pad wants it: the last axis first."""
    return [side for pair in reversed(pad) for side in pair]


def _stack_logits(params: Tensors, buffers: Tensors, image: Any) -> Any:
    f, h = functional(), image
    for name, _, geometry, activation in _STAGES:
        w = params[f"{name}.weight"]
        w = w.flip(2, 3) if name == _FLIPPED else w
        rest = {key: geometry[key] for key in ("stride", "dilation", "groups")}
        h = f.conv2d(f.pad(h, _sides(geometry["pad"])), w, params[f"{name}.bias"], **rest)
        h = getattr(h, activation)() if hasattr(h, activation) else getattr(f, activation)(h)
    squares = f.pad(h * h, _sides(((1, 0), (0, 1))))
    h = (f.avg_pool2d(squares, 2, 1) * 4).sqrt()
    return f.linear(h.flatten(1), params["fc.weight"], params["fc.bias"])


PEERS: Mapping[str, Peer] = {
    "lenet5": Peer("lenet5", _lenet5_graph, _lenet5_logits),
    "batchnorm": Peer("batchnorm", _batchnorm_graph, _batchnorm_logits),
    "conv_stack": Peer("conv_stack", _stack_graph, _stack_logits),
}
