"""ncnn on one image: a net written in its own format, with batchnorm folded and activations in their layers.

That is what its tool `ncnnoptimize` would make of it. Float32: nothing is stored or computed in halves; Winograd and
packed layouts are on, as they are by default. ncnn has no batches.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ncnn
import numpy as np

from benchmarks.layers import Layer
from netlang.ir.graph import Value
from netlang.runtime.arrays import Array

_MAGIC = 7767517
_RELU = 1
_PLAIN = {"relu": "ReLU", "flatten": "Flatten", "dropout": "Noop"}


def version() -> str:
    return str(ncnn.__version__)


@dataclass
class _Part:
    """One line of a param file, and the numbers that follow in the bin file: `flagged` ones, after a word that says
    they are float32, and then others."""

    kind: str
    sources: list[Value]
    output: Value
    settings: dict[int, Any] = field(default_factory=dict)
    flagged: Array | None = None
    numbers: list[Array] = field(default_factory=list)


def parts(layers: Sequence[Layer], params: Mapping[str, Array]) -> list[_Part]:
    """ncnn's layers. Raises ValueError for what it does not have."""
    uses = [source for layer in layers for source in layer.sources]
    found: dict[Value, _Part] = {}
    for layer in layers:
        before = found.get(layer.sources[0]) if layer.sources else None
        alone = before is not None and uses.count(layer.sources[0]) == 1
        if layer.kind == "lstm":
            found |= {part.output: part for part in _lstm(layer, params)}
        elif before is not None and alone and _absorbed(before, layer, params):
            del found[layer.sources[0]]
            before.output = layer.output
            found[layer.output] = before
        else:
            found[layer.output] = _part(layer, params)
    return list(found.values())


def _absorbed(part: _Part, layer: Layer, params: Mapping[str, Array]) -> bool:
    """Fold a layer into the one before it, if that can be."""
    weighted = part.kind in ("Convolution", "ConvolutionDepthWise", "InnerProduct") and 9 not in part.settings
    if layer.kind == "relu" and weighted:
        part.settings[9] = _RELU
        return True
    if layer.kind != "batchnorm" or not weighted or part.flagged is None:
        return False
    scale, shift = _scale_and_shift(layer, params)
    bias = part.numbers[0] if part.numbers else np.zeros(len(scale), np.float32)
    part.flagged = part.flagged * scale.reshape(-1, *[1] * (part.flagged.ndim - 1))
    part.numbers = [bias * scale + shift]
    part.settings[1 if part.kind == "InnerProduct" else 5] = 1
    return True


def _scale_and_shift(layer: Layer, params: Mapping[str, Array]) -> tuple[Array, Array]:
    weight, bias, mean, var = (params[layer.params[part]] for part in ("weight", "bias", "mean", "var"))
    scale = weight / np.sqrt(var + np.float32(layer.attrs["eps"]))
    return scale, bias - mean * scale


def _part(layer: Layer, params: Mapping[str, Array]) -> _Part:
    """One layer as it is."""
    part = _Part("", list(layer.sources), layer.output)
    a = layer.attrs
    if layer.kind in _PLAIN:
        part.kind = _PLAIN[layer.kind]
    elif layer.kind == "input":
        part.kind = "Input"
    elif layer.kind == "add":
        part.kind, part.settings = "BinaryOp", {0: 0}
    elif layer.kind in ("concat", "softmax"):
        axis = a["axis"] % len(layer.output.type.shape) - 1  # without that of the batch
        part.kind, part.settings = ("Concat", {0: axis}) if layer.kind == "concat" else ("Softmax", {0: axis, 1: 1})
    elif layer.kind == "global_average":
        part.kind, part.settings = "Pooling", {0: 1, 4: 1}
    elif layer.kind in ("max_pool", "avg_pool"):
        part.kind, part.settings = "Pooling", _pool(layer)
    elif layer.kind == "batchnorm":
        weight, bias, mean, var = (params[layer.params[p]] for p in ("weight", "bias", "mean", "var"))
        part.kind, part.settings = "BatchNorm", {0: len(weight), 1: f"{a['eps']:e}"}
        part.numbers = [weight, mean, var, bias]
    elif layer.kind in ("conv", "dense"):
        _weighted(part, layer, params)
    else:
        raise ValueError(f"ncnn has no layer for '{layer.kind}'")
    return part


def _lstm(layer: Layer, params: Mapping[str, Array]) -> list[_Part]:
    """All states of a layer, of which the last one is cut out. Gates in the order i, f, o, g; each of the three arrays
    is flagged, by a number whose bits are those of 0."""
    units, steps = layer.attrs["units"], layer.sources[0].shape[1]
    turned = []
    for part in ("weight", "bias", "state_weight"):
        i, f, g, o = np.split(params[layer.params[part]], 4)
        turned.append(np.concatenate([i, f, o, g]))
    flag = np.zeros(1, np.float32)
    _, states, last = layer.output.node.results  # names for what lies between
    return [
        _Part(
            "LSTM",
            list(layer.sources),
            states,
            {0: units, 1: turned[0].size},
            turned[0],
            [flag, turned[1], flag, turned[2]],
        ),
        _Part("Crop", [states], last, {1: int(str(steps)) - 1, 3: units, 4: 1}),
        _Part("Reshape", [last], layer.output, {0: units}),
    ]


def _weighted(part: _Part, layer: Layer, params: Mapping[str, Array]) -> None:
    weight = part.flagged = params[layer.params["weight"]]
    part.numbers = [params[layer.params["bias"]]] if "bias" in layer.params else []
    bias = len(part.numbers)
    if layer.kind == "dense":
        part.kind, part.settings = "InnerProduct", {0: weight.shape[0], 1: bias, 2: weight.size}
        return
    a = layer.attrs
    (top, bottom), (left, right) = a["pad"]
    part.kind = "Convolution" if a["groups"] == 1 else "ConvolutionDepthWise"
    part.settings = {
        0: weight.shape[0], 1: weight.shape[3], 11: weight.shape[2], 2: a["dilation"][1], 12: a["dilation"][0],
        3: a["stride"][1], 13: a["stride"][0], 4: left, 15: right, 14: top, 16: bottom, 5: bias, 6: weight.size,
    }  # fmt: skip
    if a["groups"] > 1:
        part.settings[7] = a["groups"]


def _pool(layer: Layer) -> dict[int, Any]:
    a = layer.attrs
    (top, bottom), (left, right) = a["pad"]
    (down, across), (down_step, across_step) = a["kernel"], a["stride"]
    mean = layer.kind == "avg_pool"
    return {
        0: int(mean), 1: across, 11: down, 2: across_step, 12: down_step, 3: left, 14: right, 13: top, 15: bottom,
        5: 0 if a["ceil_mode"] else 1, 6: int(mean and a["count_include_pad"]),
    }  # fmt: skip


def write(layers: Sequence[Layer], params: Mapping[str, Array], folder: Path) -> None:
    """`net.param` and `net.bin` with input `x` and output `y`. What several layers read is split, as ncnn wants it."""
    made = parts(layers, params)
    names = {part.output: f"v{i}" for i, part in enumerate(made)}
    names |= {part.output: "x" for part in made if part.kind == "Input"}
    names[made[-1].output] = "y"
    uses = [source for part in made for source in part.sources]
    left = {value: uses.count(value) for value in names}
    lines: list[str] = []
    blobs = 0
    with (folder / "net.bin").open("wb") as file:
        for i, part in enumerate(made):
            sources = []
            for source in part.sources:
                left[source] -= 1
                sources.append(names[source] if uses.count(source) == 1 else f"{names[source]}_{left[source]}")
            settings = " ".join(f"{key}={value}" for key, value in part.settings.items())
            where = f"{len(sources)} 1 {' '.join([*sources, names[part.output]])}"
            lines.append(f"{part.kind} layer{i} {where} {settings}".rstrip())
            blobs += 1
            if (count := uses.count(part.output)) > 1:
                copies = " ".join(f"{names[part.output]}_{k}" for k in range(count))
                lines.append(f"Split split{i} 1 {count} {names[part.output]} {copies}")
                blobs += count
            if part.flagged is not None:
                file.write(bytes(4))
                file.write(np.ascontiguousarray(part.flagged, np.float32).tobytes())
            for array in part.numbers:
                file.write(np.ascontiguousarray(array, np.float32).tobytes())
    head = f"{_MAGIC}\n{len(lines)} {blobs}\n"
    (folder / "net.param").write_text(head + "\n".join(lines) + "\n", encoding="ascii")


def inference(layers: Sequence[Layer], params: Mapping[str, Array], image: Array, threads: int) -> Callable[[], Array]:
    """One inference on one image, [1, channels, height, width]."""
    if len(image) != 1:
        raise ValueError("ncnn takes one image at a time")
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_winograd_convolution = net.opt.use_sgemm_convolution = net.opt.use_packing_layout = True
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = net.opt.use_vulkan_compute = False
    with tempfile.TemporaryDirectory() as place:
        write(layers, params, Path(place))
        if net.load_param(str(Path(place, "net.param"))) or net.load_model(str(Path(place, "net.bin"))):
            raise RuntimeError("ncnn cannot read the net")
    given = ncnn.Mat(np.ascontiguousarray(image[0])).clone()

    def run() -> Array:
        extractor = net.create_extractor()
        extractor.input("x", given)
        status, out = extractor.extract("y")
        if status:
            raise RuntimeError(f"ncnn failed with status {status}")
        return np.array(out)[None]

    return run
