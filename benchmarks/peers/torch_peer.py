"""PyTorch: a module of its own layers whose forward function is generated, as one would write it by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx, nn

from benchmarks.layers import Layer
from netlang.ir.graph import Value
from netlang.runtime.arrays import Array


def version() -> str:
    return str(torch.__version__)


def set_threads(threads: int) -> None:
    torch.set_num_threads(threads)


def build(layers: Sequence[Layer], params: Mapping[str, Array]) -> nn.Module:
    """A module that takes what the layers' one input takes and returns the last layer's output."""
    graph, parts = fx.Graph(), nn.Module()
    values: dict[Value, fx.Node] = {}
    uses = [source for layer in layers for source in layer.sources]
    for number, layer in enumerate(layers):
        sources = [values[s] for s in layer.sources]
        if layer.kind == "input":
            values[layer.output] = graph.placeholder("x")
        elif layer.kind == "add":
            values[layer.output] = graph.call_function(torch.add, tuple(sources))
        elif layer.kind == "concat":
            values[layer.output] = graph.call_function(torch.cat, (sources, layer.attrs["axis"]))
        else:
            alone = uses.count(layer.sources[0]) == 1 and sources[0].op != "placeholder"
            parts.add_module(f"layer{number}", _module(layer, params, alone))
            values[layer.output] = graph.call_module(f"layer{number}", tuple(sources))
    graph.output(values[layers[-1].output])
    return fx.GraphModule(parts, graph)


def _module(layer: Layer, params: Mapping[str, Array], alone: bool) -> nn.Module:
    """`alone`: nobody else reads the source, so ReLU may work in place, as models are commonly written."""
    if layer.kind in ("conv", "dense", "batchnorm"):
        return _with_params(layer, {part: params[name] for part, name in layer.params.items()})
    if layer.kind in ("max_pool", "avg_pool"):
        return _pool(layer)
    if layer.kind == "lstm":
        return LastState({part: params[name] for part, name in layer.params.items()})
    simple: dict[str, Callable[[], nn.Module]] = {
        "relu": lambda: nn.ReLU(inplace=alone),
        "flatten": nn.Flatten,
        "global_average": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        "softmax": lambda: nn.Softmax(layer.attrs["axis"]),
        "dropout": lambda: nn.Dropout(layer.attrs["rate"]),
    }
    return simple[layer.kind]()


def _with_params(layer: Layer, arrays: Mapping[str, Array]) -> nn.Module:
    weight, bias = arrays["weight"], "bias" in arrays
    module: Any
    if layer.kind == "conv":
        a = layer.attrs
        pad = [low for low, high in a["pad"] if low == high]
        if len(pad) != 2:
            raise ValueError("uneven padding is not built")
        outer, inner = weight.shape[0], weight.shape[1] * a["groups"]
        kernel = tuple(weight.shape[2:])
        module = nn.Conv2d(inner, outer, kernel, a["stride"], tuple(pad), a["dilation"], a["groups"], bias)
    elif layer.kind == "dense":
        module = nn.Linear(weight.shape[1], weight.shape[0], bias)
    else:
        module = nn.BatchNorm2d(weight.shape[0], layer.attrs["eps"])
    places = {"mean": "running_mean", "var": "running_var"}
    with torch.no_grad():
        for part, array in arrays.items():
            getattr(module, places.get(part, part)).copy_(torch.tensor(array))
    return module  # type: ignore[no-any-return]


class LastState(nn.Module):
    """PyTorch's LSTM over [N, T, features], of which the last state goes on; of its two biases one stays 0."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        super().__init__()
        units = arrays["state_weight"].shape[1]
        self.layer = nn.LSTM(arrays["weight"].shape[1], units, batch_first=True)
        self.layer.bias_hh_l0.requires_grad_(False).zero_()
        places = {"weight_ih_l0": "weight", "weight_hh_l0": "state_weight", "bias_ih_l0": "bias"}
        with torch.no_grad():
            for name, part in places.items():
                getattr(self.layer, name).copy_(torch.tensor(arrays[part]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        last: torch.Tensor = self.layer(x)[1][0][0]
        return last


def _pool(layer: Layer) -> nn.Module:
    a = layer.attrs
    pad = tuple(low for low, _ in a["pad"])
    if layer.kind == "max_pool":
        return nn.MaxPool2d(a["kernel"], a["stride"], pad, a["dilation"], ceil_mode=a["ceil_mode"])
    return nn.AvgPool2d(a["kernel"], a["stride"], pad, a["ceil_mode"], a["count_include_pad"])


def inference(layers: Sequence[Layer], params: Mapping[str, Array], image: Array, variant: str) -> Callable[[], Array]:
    """One inference as NumPy array. `variant`: plain, channels-last, frozen (folded and pre-packed by TorchScript's
    `optimize_for_inference`) or compiled (`torch.compile`)."""
    module, x = build(layers, params).eval(), torch.tensor(image)
    if variant != "plain" and x.ndim == 4:
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = x.to(memory_format=torch.channels_last)
    if variant == "frozen":
        with torch.inference_mode():
            module = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(module, x)))  # type: ignore
    if variant == "compiled":
        module = torch.compile(module)  # type: ignore[assignment]

    def run() -> Array:
        with torch.inference_mode():
            found: Array = module(x).numpy()
            return found

    return run


def training(
    layers: Sequence[Layer],
    params: Mapping[str, Array],
    image: Array,
    label: Array,
    sgd: Mapping[str, Any],
    variant: str,
) -> Callable[[], float]:
    """One training step, which returns the loss: forward, backward, SGD in one fused call. `variant` as above."""
    module, x, wanted = build(layers, params).train(), torch.tensor(image), torch.tensor(label)
    if variant != "plain" and x.ndim == 4:
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = x.to(memory_format=torch.channels_last)
    run_module = torch.compile(module) if variant == "compiled" else module
    kept = {key: sgd[key] for key in ("lr", "momentum", "nesterov", "weight_decay")}
    optimizer = torch.optim.SGD(module.parameters(), fused=True, **kept)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(run_module(x), wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return float(loss.detach())

    return step
