"""Unshared convolution against a shared one, against a sum written out, and on odd sizes on the cpu."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netlang.backends.cpu import Cpu
from netlang.ir.types import DType
from tests.backends.cpu.against_reference import B, check, feed_of, graph_of, inputs_like
from tests.ops.single import apply, refused

GEOMETRY: dict[str, Any] = {"stride": (2, 1), "pad": ((1, 0), (0, 2))}


def test_the_same_weights_everywhere_are_a_convolution() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 3, 7, 6)), rng.normal(size=(4, 3, 3, 2))
    wanted = apply("conv", x, w, **GEOMETRY, dilation=(1, 1))[0]
    everywhere = np.broadcast_to(w, (*wanted.shape[2:], *w.shape))
    np.testing.assert_allclose(apply("local_conv", x, everywhere.copy(), **GEOMETRY)[0], wanted)


def test_every_position_has_its_own() -> None:
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(2, 2, 5, 6)), rng.normal(size=(3, 2, 4, 2, 3, 3))
    y = apply("local_conv", x, w, stride=(1, 2), pad=((0, 0), (0, 0)))[0]
    assert y.shape == (2, 4, 3, 2)
    for i, j in np.ndindex(3, 2):
        patch = x[:, :, i : i + 3, 2 * j : 2 * j + 3]
        np.testing.assert_allclose(y[:, :, i, j], np.einsum("ochw,nchw->no", w[i, j], patch))


@pytest.mark.parametrize("samples", [1, 3, 4, 8, 13])
@pytest.mark.parametrize("channels", [1, 5])
def test_odd_sizes_on_any_number_of_threads(samples: int, channels: int) -> None:
    rng = np.random.default_rng(samples)
    shape = (samples, channels, 9, 11)
    x, w = rng.normal(size=shape), rng.normal(size=(4, 5, 3, channels, 3, 7))
    dy = rng.normal(size=(samples, 3, 4, 5))
    attrs: dict[str, Any] = {"stride": (2, 1), "pad": ((0, 1), (0, 0))}
    arrays = [a.astype(np.float32) for a in (x, w, dy)]
    inputs = inputs_like(arrays)
    graph = graph_of(
        inputs,
        B.op("local_conv", inputs[0], inputs[1], **attrs),
        B.op("local_conv_data_grad", inputs[2], inputs[1], **attrs, size=shape[2:]),
        B.op("local_conv_weight_grad", inputs[0], inputs[2], **attrs, kernel=(3, 7)),
    )
    one = check(graph, feed_of(arrays), 2e-5)
    three = Cpu().compile(graph, threads=3).run(feed_of(arrays), {})
    for name, value in one.items():
        np.testing.assert_array_equal(value, three[name])


def test_what_is_refused() -> None:
    one: dict[str, Any] = {"stride": (1,), "pad": ((0, 0),)}
    x = (2, 3, 8)
    refused("local_conv expects weights [out, channels out, in, kernel], got [4, 3, 3]",
            "local_conv", x, (4, 3, 3), **one)  # fmt: skip
    refused("local_conv: the weights are for 2 input channels, the input has 3", "local_conv", x, (6, 4, 2, 3), **one)
    refused("local_conv: the weights are for outputs [5], the input gives [6]", "local_conv", x, (5, 4, 3, 3), **one)
    refused("local_conv needs floating-point tensors, got i64", "local_conv", x, (6, 4, 3, 3),
            dtypes=[DType.I64, DType.I64], **one)  # fmt: skip
