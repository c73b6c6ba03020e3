"""Convolutions, pools, padding, resizing and normalisations with weights of a file: the layers that they become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netlang.diagnostics import NetError
from netlang.ir.dims import sym
from tests.interchange.importing.nodes import Array, compared, imported, model, normal

pytest.importorskip("onnx")
NOTHING = np.zeros(0, np.float32)
PICTURE = (2, 4, 7, 6)

Kept = dict[str, Array]
LAYERS: dict[str, tuple[str, str, tuple[int, ...], Kept, int, dict[str, Any]]] = {
    "conv": ("Conv", "conv(6, 3, pad = 1)", PICTURE, {"w": normal(6, 4, 3, 3), "b": normal(6)}, 11, {"pads": [1] * 4}),
    "conv in groups": (
        "Conv",
        "conv(6, [3, 2], stride = [2, 1], dilation = [1, 2], groups = 2, bias = false)",
        PICTURE,
        {"w": normal(6, 2, 3, 2)},
        22,
        {"group": 2, "strides": [2, 1], "dilations": [1, 2]},
    ),
    "conv same": (
        "Conv",
        "conv(3, 3, stride = 2, pad = [[1, 1], [0, 1]]",
        PICTURE,
        {"w": normal(3, 4, 3, 3), "b": normal(3)},
        11,
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    ),
    "conv of signals": (
        "Conv",
        "conv(3, 5, pad = 2, bias = false)",
        (2, 4, 9),
        {"w": normal(3, 4, 5)},
        11,
        {"pads": [2, 2]},
    ),
    "transposed": (
        "ConvTranspose",
        "conv_transpose(6, 3, stride = 2, pad = 1, output_pad = 1, groups = 2)",
        PICTURE,
        {"w": normal(4, 3, 3, 3), "b": normal(6)},
        11,
        {"group": 2, "strides": [2, 2], "pads": [1] * 4, "output_padding": [1, 1]},
    ),
    "transposed to a size": (
        "ConvTranspose",
        "conv_transpose(3, 3, stride = 2, output_pad = 1)",
        PICTURE,
        {"w": normal(4, 3, 3, 3), "b": normal(3)},
        11,
        {"strides": [2, 2], "output_shape": [16, 14]},
    ),
    "batchnorm": (
        "BatchNormalization",
        "-> batchnorm(eps = 0.001)",
        PICTURE,
        {"s": normal(4), "b": normal(4), "m": normal(4), "v": np.abs(normal(4))},
        15,
        {"epsilon": 1e-3},
    ),
    "instancenorm": ("InstanceNormalization", "-> instancenorm", PICTURE, {"s": normal(4), "b": normal(4)}, 7, {}),
    "layernorm": (
        "LayerNormalization",
        "-> layernorm(2)",
        PICTURE,
        {"s": normal(7, 6), "b": normal(7, 6)},
        17,
        {"axis": 2},
    ),
    "layernorm alone": ("LayerNormalization", "-> layernorm(bias = false)", PICTURE, {"s": normal(6)}, 17, {}),
    "rmsnorm": (
        "RMSNormalization",
        "-> rmsnorm(eps = 1e-05, dims = 2)",
        PICTURE,
        {"s": normal(7, 6)},
        23,
        {"axis": -2},
    ),
    "pad": (
        "Pad",
        'pad([[1, 0], [2, 3]], mode = "reflect")',
        PICTURE,
        {"p": np.array([0, 0, 1, 2, 0, 0, 0, 3])},
        18,
        {"mode": "reflect"},
    ),
    "pad of axes": (
        "Pad",
        "pad([[2, 1]], value = 0.5, axes = [1])",
        PICTURE,
        {"p": np.array([2, 1]), "v": np.float32(0.5), "a": np.array([-3])},
        18,
        {},
    ),
    "doubled": (
        "Resize",
        "-> upsample(2)",
        PICTURE,
        {"": NOTHING, "s": np.float32([1, 1, 2, 2])},
        13,
        {"mode": "nearest"},
    ),
    "smoothly to a size": (
        "Resize",
        "-> upsample(2, mode = bilinear)",
        PICTURE,
        {"": NOTHING, " ": NOTHING, "s": np.array([2, 4, 14, 12])},
        19,
        {"mode": "linear"},
    ),
    "by cubics": (
        "Resize",
        'resize(mode = "cubic", coordinates = "align_corners", cubic_a = -0.5, size = [5, 9])',
        PICTURE,
        {"": NOTHING, " ": NOTHING, "s": np.array([2, 4, 5, 9])},
        13,
        {"mode": "cubic", "coordinate_transformation_mode": "align_corners", "cubic_coeff_a": -0.5},
    ),
    "maxima in columns": (
        "MaxPool",
        "maxpool([2, 3], stride = [2, 1], pad = [[1, 0], [0, 1]], ceil_mode = true)",
        PICTURE,
        {},
        12,
        {"kernel_shape": [2, 3], "strides": [2, 1], "pads": [1, 0, 0, 1], "ceil_mode": 1},
    ),
    "means": (
        "AveragePool",
        "avgpool(3, stride = 2, pad = 1, count_include_pad = false)",
        PICTURE,
        {},
        19,
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4},
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, tmp_path: Path) -> None:
    op, text, shape, kept, opset, attributes = LAYERS[name]
    inputs = {"x": normal(*shape)}
    assert text in compared(model(op, inputs, kept, opset=opset, **attributes), inputs, tmp_path)


@pytest.mark.parametrize("opset, each", [(18, 2), (21, 4)])
def test_groups_of_channels(opset: int, each: int, tmp_path: Path) -> None:
    """Before opset 21 the file has a scale for each group; the layer always has one for each channel."""
    x, scale, shift = normal(*PICTURE), normal(each), normal(each)
    proto = model("GroupNormalization", {"x": x}, {"s": scale, "b": shift}, opset=opset, num_groups=2)
    grouped = x.reshape(2, 2, -1)
    y = (grouped - grouped.mean(2, keepdims=True)) / np.sqrt(grouped.var(2, keepdims=True) + 1e-5)
    factors = [v.repeat(4 // each)[:, None, None] for v in (scale, shift)]
    assert "-> groupnorm(2)" in compared(proto, {"x": x}, tmp_path, [y.reshape(x.shape) * factors[0] + factors[1]])


def test_layernorm_tells_mean_and_deviation(tmp_path: Path) -> None:
    x = normal(2, 3, 5)
    proto = model("LayerNormalization", {"x": x}, {"s": normal(3, 5), "b": normal(3, 5)}, 3, 17, axis=1)
    compared(proto, {"x": x}, tmp_path)


def test_room_beyond_the_stride(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    x, w, b = normal(1, 4, 5, 6), normal(4, 3, 3, 3), normal(3)
    proto = model("ConvTranspose", {"x": x}, {"w": w, "b": b}, dilations=[2, 2], output_padding=[1, 0])
    wanted = torch.nn.functional.conv_transpose2d(*map(torch.tensor, (x, w, b)), dilation=2, output_padding=(1, 0))
    assert "pad([[0, 1], [0, 0]])" in compared(proto, {"x": x}, tmp_path, [wanted.numpy()])


def test_even_windows_of_channels(tmp_path: Path) -> None:
    """They reach one further towards the last channel."""
    x = normal(2, 7, 3)
    sums = sum(np.pad(x**2, ((0, 0), (1, 2), (0, 0)))[:, i : i + 7] for i in range(4))
    text = compared(
        model("LRN", {"x": x}, {}, size=4, alpha=0.5), {"x": x}, tmp_path, [x / (1 + 0.5 / 4 * sums) ** 0.75]
    )
    assert "reverse(1) -> local_response_norm(4, alpha = 0.5) -> reverse(1)" in text


def test_statistics_of_positions(tmp_path: Path) -> None:
    x, kept = normal(2, 3, 4), {k: normal(3, 4) for k in "sbm"} | {"v": np.abs(normal(3, 4))}
    wanted = (x - kept["m"]) / np.sqrt(kept["v"] + np.float32(1e-5)) * kept["s"] + kept["b"]
    compared(model("BatchNormalization", {"x": x}, kept, opset=7, spatial=0), {"x": x}, tmp_path, [wanted])


def test_open_sizes_stay_open(tmp_path: Path) -> None:
    for op, kept, attributes, height in (
        ("Conv", {"w": normal(4, 4, 3, 3)}, {"auto_pad": "SAME_UPPER"}, sym("H")),
        ("ConvTranspose", {"w": normal(4, 2, 4, 4)}, {"auto_pad": "SAME_LOWER", "strides": [2, 2]}, sym("H") * 2),
        ("Resize", {"": NOTHING, "s": np.float32([1, 1, 3, 2])}, {"mode": "linear"}, sym("H") * 3),
        ("Pad", {"p": np.array([0, 0, 1, 1, 0, 0, 2, 1])}, {"mode": "edge"}, sym("H") + 3),
    ):
        proto = model(op, {"x": normal(*PICTURE)}, kept, opset=18, **attributes)
        for axis, size in ((0, "N"), (2, "H"), (3, "W")):
            proto.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = size
        _, net = imported(proto, tmp_path)
        assert net.module.net.outputs[0][1].shape[:3:2] == (sym("N"), height)


def test_what_is_refused(tmp_path: Path) -> None:
    x = {"x": normal(*PICTURE)}
    for proto, message in (
        (model("MaxPool", x, {}, kernel_shape=[2, 2], auto_pad="SAME"), "auto_pad 'SAME' is not one of ONNX's"),
        (model("MaxPool", x, {}, kernel_shape=[2, 2], stride=[1, 1]), "there is no attribute 'stride'"),
        (model("Conv", x, {"w": normal(4, 4, 3, 3)}, kernel_shape=[2, 2]), "do not have the kernel"),
        (model("Pad", x, {"p": np.array([1, 1])}), "pads must be two numbers for each of 4 axes"),
        (model("Resize", x, {}), "there must be either scales or sizes"),
        (model("LRN", x, {}), "the attribute 'size' is missing"),
    ):
        with pytest.raises(NetError, match=message):
            imported(proto, tmp_path)
