"""Products of matrices and convolutions; a bias comes as a third input where a pattern has found one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netlang.interchange.exporting.operators.movement import reversed_along, sliced
from netlang.interchange.exporting.record import Place, exports
from netlang.ir.dims import Dim
from netlang.ops.windows import Windows


@exports("matmul")
def _matmul(place: Place) -> str:
    """Gemm where something is transposed or added to two matrices, else MatMul."""
    a, b = place.node.inputs
    across = (place.attrs["transpose_a"], place.attrs["transpose_b"])
    if a.rank == b.rank == 2 and (any(across) or len(place.inputs) > 2):
        given = {key: 1 for key, yes in zip(("transA", "transB"), across, strict=True) if yes}
        return place.op("Gemm", *place.inputs, **given)
    turned = [
        _transposed(place, name, value.rank) if yes else name
        for name, value, yes in zip(place.inputs[:2], (a, b), across, strict=True)
    ]
    return place.op("MatMul", *turned)


def _transposed(place: Place, x: str, rank: int) -> str:
    """The last two axes exchanged."""
    return place.op("Transpose", x, perm=[*range(rank - 2), rank - 1, rank - 2])


@exports("conv")
def _conv(place: Place) -> str:
    windows = Windows.of("conv", place.attrs, place.node.inputs[1].shape[2:])  # type: ignore[arg-type]
    return place.op(
        "Conv",
        place.inputs[0],
        filters(place),
        *place.inputs[2:],
        kernel_shape=list(windows.kernel),
        strides=list(windows.stride),
        pads=pads(windows.pad),
        dilations=list(windows.dilation),
        group=place.attrs["groups"],
    )


@exports("conv_data_grad")
def _conv_data_grad(place: Place) -> str:
    """ConvTranspose, whose output is (in - 1) stride + span - low - high + output_padding long.

    What is left to the size that is wanted is taken off the padding behind, or added behind it. Where it is not known
    before the net runs, the longest is computed and cut off.
    """
    dy, w = place.node.inputs
    windows = Windows.of("conv", place.attrs, w.shape[2:])  # type: ignore[arg-type]
    high: list[int] = []
    more: list[int] = []
    cut: list[int] = []
    for i, size in enumerate(place.attrs["size"]):
        over = (dy.shape[i + 2] - 1) * windows.stride[i] + windows.span[i] - windows.pad[i][0] - size
        if isinstance(over, int):
            high.append(max(over, 0))
            more.append(max(-over, 0))
        else:
            high.append(0)
            more.append(windows.stride[i] - 1)
            cut.append(i)
    low = [p[0] for p in windows.pad]
    given: dict[str, Any] = {
        "kernel_shape": list(windows.kernel),
        "strides": list(windows.stride),
        "pads": [*low, *high],
        "dilations": list(windows.dilation),
        "group": place.attrs["groups"],
    }
    if any(more):
        given["output_padding"] = more
    made = place.op("ConvTranspose", place.inputs[0], filters(place), *place.inputs[2:], **given)
    for i in cut:
        made = sliced(place, made, i + 2, 0, place.attrs["size"][i])
    return made


def filters(place: Place) -> str:
    """The weights, turned round on every spatial axis where the convolution is the mathematician's."""
    name, rank = place.inputs[1], place.node.inputs[1].rank
    return reversed_along(place, name, range(2, rank)) if place.attrs["flip"] else name


def pads(pad: Sequence[tuple[Dim, Dim]]) -> list[Any]:
    """Padding as ONNX writes it: before all axes, then behind all."""
    return [*(low for low, _ in pad), *(high for _, high in pad)]
