"""The filters against SciPy: whole numbers exactly, fractions to the last bits of float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import convolve, correlate

import netlang
from benchmarks.family.records import EXAMPLES

Array = NDArray[Any]

KERNELS = {
    "edges": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "sharpened": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "embossed": [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
    "boxed": np.full((3, 3), 1 / 9),
    "blurred": np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256,
}
"""By output of filters.net."""

WHOLE = ("edges", "sharpened", "embossed", "blurred")
"""Those that are exact in float32 for images of bytes: blurred is a whole number over a power of two."""

TARGETS = pytest.mark.parametrize("target", ["cpu", "reference"])
LAST_BITS = 4 * float(np.finfo(np.float32).eps)


def run(file: str, target: str, x: Array) -> dict[str, Array]:
    found: dict[str, Array] = netlang.compile(EXAMPLES / "filters" / file, target=target, exact=target == "cpu")(x)
    return found


def close(got: Array, wanted: Array) -> None:
    np.testing.assert_allclose(got, wanted, rtol=0, atol=LAST_BITS * np.abs(wanted).max())


@TARGETS
@pytest.mark.parametrize("shape", [(17, 23), (3, 3), (1, 40)], ids=str)
def test_filters_of_whole_numbers(target: str, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape)
    outputs = run("filters.net", target, image[None, None].astype(np.float32))
    assert set(outputs) == set(KERNELS)
    for name, maps in outputs.items():
        # Not "same" of SciPy: that is cut to the larger operand, which may be the kernel.
        reach = len(KERNELS[name]) // 2
        full = correlate(image.astype(np.float64), np.asarray(KERNELS[name]), mode="full", method="direct")
        wanted = full[reach : reach + shape[0], reach : reach + shape[1]]
        if name in WHOLE:
            np.testing.assert_array_equal(maps[0, 0], wanted, err_msg=name)
        else:
            close(maps[0, 0], wanted)


@TARGETS
def test_filters_of_fractions(target: str) -> None:
    images = np.random.default_rng(2).random((2, 1, 40, 33)).astype(np.float32)
    for name, maps in run("filters.net", target, images).items():
        for got, image in zip(maps[:, 0], images[:, 0].astype(np.float64), strict=True):
            close(got, correlate(image, np.asarray(KERNELS[name]), mode="same", method="direct"))


@TARGETS
def test_narrow_same_and_wide_are_valid_same_and_full_of_scipy(target: str) -> None:
    signal = np.random.default_rng(3).normal(size=31).astype(np.float32)
    outputs = run("smoothing.net", target, signal[None, None])
    weights = np.array([1, 2, 3, 2, 1]) / 9
    for name, mode in (("narrow", "valid"), ("same", "same"), ("wide", "full")):
        close(outputs[name][0, 0], convolve(signal.astype(np.float64), weights, mode=mode, method="direct"))


@TARGETS
def test_flipped_is_convolution_and_unflipped_is_correlation(target: str) -> None:
    kernel = np.array([[1, 2, 3], [0, 0, 4], [0, 0, 0]])
    image = np.random.default_rng(4).integers(-50, 50, (12, 19))
    outputs = run("flipped.net", target, image[None, None].astype(np.float32))
    np.testing.assert_array_equal(outputs["correlated"][0, 0], correlate(image, kernel, mode="full", method="direct"))
    np.testing.assert_array_equal(outputs["convolved"][0, 0], convolve(image, kernel, mode="full", method="direct"))
    assert (outputs["correlated"] != outputs["convolved"]).any()
