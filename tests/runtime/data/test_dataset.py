"""Order of samples, batches, and data sets made to suit a net."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netlang.diagnostics import NetError
from netlang.ir.build import Builder
from netlang.ir.dims import Dim, sym
from netlang.ir.graph import Value
from netlang.ir.types import DType, TensorType
from netlang.runtime.data.dataset import Dataset, Fitted, batches, every_fifth, order
from netlang.runtime.data.fitting import fit_to, from_arrays, image_shape
from netlang.runtime.data.resize import resize, weights

Array = NDArray[Any]
N = sym("N")


def value(name: str, *shape: Dim, dtype: DType = DType.F32) -> Value:
    return Builder().input(name, TensorType(dtype, (N, *shape)))


LABEL = value("label", dtype=DType.I64)
GREY = np.arange(4 * 8 * 8, dtype=np.uint8).reshape(4, 8, 8)
COLOUR = np.arange(4 * 6 * 5 * 3, dtype=np.uint8).reshape(4, 6, 5, 3)
LABELS = np.array([0, 2, 1, 2])


def fitted(images: Array, *inputs: Value, labels: Array = LABELS, **names: Array) -> Fitted:
    data = Dataset("d", names or {"image": images, "label": labels}, {})
    return fit_to(data, inputs or (value("image", 1, 8, 8), LABEL), {"label", "target"})


def test_the_order_is_a_permutation_by_seed_and_epoch() -> None:
    a = order(1, 2, 100)
    assert sorted(a) == list(range(100)) and np.array_equal(a, order(1, 2, 100))
    assert not np.array_equal(a, order(1, 3, 100)) and not np.array_equal(a, order(2, 2, 100))


def test_batches_cover_everything_once() -> None:
    assert [(n, s.start, s.stop) for n, s in batches(10, 4)] == [(0, 0, 4), (1, 4, 8), (2, 8, 10)]
    assert [n for n, _ in batches(10, 4, start=2)] == [2] and list(batches(0, 4)) == []


def test_every_fifth_is_held_out() -> None:
    train, test = every_fifth({"x": np.arange(12)})
    assert list(test["x"]) == [4, 9] and len(train["x"]) == 10


def test_bytes_become_numbers_from_zero_to_one() -> None:
    data = fitted(GREY)
    assert data.train.arrays["image"].dtype == np.uint8
    batch = data.train.take(np.array([1, 3]))
    assert np.allclose(batch["image"][:, 0], GREY[[1, 3]] / 255) and batch["image"].dtype == np.float32
    assert batch["label"].dtype == np.int64 and list(batch["label"]) == [2, 2]


def test_enlarging_is_by_whole_factors_and_padding_with_black() -> None:
    found = fitted(GREY, value("image", 1, 28, 28), LABEL).train.arrays["image"]
    assert found.shape == (4, 1, 28, 28)
    assert not found[:, :, :2].any() and not found[:, :, 26:].any() and not found[..., :2].any()
    assert np.abs(found[:, 0, 3:26:3, 3:26:3].astype(int) - GREY).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(3, 3), (8, 3), (16, 16), (9, 40), (1, 1)])
def test_any_size(height: int, width: int) -> None:
    images = np.full((2, 3, 8, 5), 200, np.uint8)
    found = resize(images, height, width)
    assert found.shape == (2, 3, height, width) and found.dtype == np.uint8
    assert (found.max() == 200 and (found == 200).sum() >= found.size // 2) or height >= 8


def test_resampling_weights_sum_to_one() -> None:
    for source, target in [(8, 24), (24, 8), (5, 3), (1, 4)]:
        assert np.allclose(weights(source, target).sum(axis=1), 1)
    assert np.array_equal(weights(6, 6), np.eye(6))


def test_flat_inputs() -> None:
    assert fitted(GREY, value("image", 64), LABEL).train.take(slice(0, 4))["image"].shape == (4, 64)
    assert fitted(GREY, value("image", 784), LABEL).train.arrays["image"].shape == (4, 784)
    assert image_shape((784,)) == (1, 28, 28) and image_shape((10,)) is None and image_shape((N, 3, 3)) is None


def test_colours() -> None:
    found = fitted(COLOUR, value("image", 3, 6, 5), LABEL).train.arrays["image"]
    assert np.array_equal(found, COLOUR.transpose(0, 3, 1, 2))
    assert fitted(GREY, value("image", 3, 8, 8), LABEL).train.arrays["image"].shape == (4, 3, 8, 8)
    grey = fitted(COLOUR, value("image", 1, 6, 5), LABEL).train.arrays["image"]
    assert np.allclose(grey[:, 0], COLOUR @ np.array([0.299, 0.587, 0.114]), atol=1)


def test_labels_as_one_hot_rows() -> None:
    found = fitted(GREY, value("image", 1, 8, 8), value("target", 3))
    assert np.array_equal(found.train.arrays["target"], np.eye(3)[LABELS])
    with pytest.raises(NetError, match=r"'label'\[1\] is 2; target 'target' has 2 classes"):
        fitted(GREY, value("image", 1, 8, 8), value("target", 2))


def test_pixels_and_labels_as_whole_numbers() -> None:
    found = fitted(GREY, value("image", 1, 8, 8, dtype=DType.U8), value("label", dtype=DType.U16))
    batch = found.train.take(slice(0, 4))
    assert (batch["image"].dtype, batch["label"].dtype) == (np.uint8, np.uint16)
    assert np.array_equal(batch["image"], GREY[:, None]) and np.array_equal(batch["label"], LABELS)


def test_an_autoencoder_gets_the_image_as_target() -> None:
    found = fitted(GREY, value("image", 1, 8, 8), value("target", 1, 8, 8)).train.take(slice(0, 4))
    assert np.array_equal(found["target"], found["image"])


def test_names_of_inputs_come_first() -> None:
    x, y = np.ones((4, 3)), np.zeros((4, 2))
    found = fitted(GREY, value("x", 3), value("y", 2), x=x, ys=y)
    assert found.train.arrays["x"].dtype == np.float32 and found.train.arrays["y"].shape == (4, 2)


@pytest.mark.parametrize(
    ("images", "labels", "inputs", "text"),
    [
        (GREY, LABELS[:3], (), "arrays differ in their number of samples: 'image' 4, 'label' 3"),
        (GREY, LABELS, (value("a", 3), value("b", 3), LABEL), "nothing for input 'a'; it has image, label"),
        (np.ones((4, 5)), LABELS, (value("image", 6), LABEL), "each sample of 'image' is f64[5], 'image' takes f32[6]"),
        (np.ones((4, 6)), LABELS, (value("image", 1, 2, 3), LABEL), "hint: .reshape(-1, 1, 2, 3)"),
        (np.ones((4, 5), complex), LABELS, (value("image", 5), LABEL), "is complex128[5]"),
        (np.ones((4, 0, 8)), LABELS, (), "there is nothing in the rows of 'image'"),
        (GREY, LABELS * 1.0, (), "if these are whole numbers: .astype('int64')"),
        (GREY, np.eye(4), (), "class numbers are wanted: .argmax(axis=1)"),
        (np.ones((4, 5)), LABELS.astype(str), (value("image", 5), LABEL), "'label' is"),
        (GREY[:0], LABELS[:0], (), "holds no samples"),
        (
            np.ones((4, 2, 8, 8), np.uint8),
            LABELS,
            (),
            "each sample of 'image' is u8[2, 8, 8], 'image' takes f32[1, 8, 8]",
        ),
        (np.float64(3), LABELS, (), "is a single number"),
        (
            GREY,
            LABELS - 1,
            (value("image", 1, 8, 8), value("label", dtype=DType.U16)),
            "'label' has -1, which does not fit into u16 elements",
        ),
    ],
)
def test_what_does_not_suit(images: Array, labels: Array, inputs: tuple[Value, ...], text: str) -> None:
    with pytest.raises(NetError) as fault:
        fitted(images, *inputs, labels=labels)
    assert text in str(fault.value)


def test_images_of_any_size_only_get_their_channels() -> None:
    open_sized = value("image", 1, sym("H"), sym("W"))
    assert fitted(GREY, open_sized, LABEL).train.arrays["image"].shape == (4, 1, 8, 8)
    assert fitted(COLOUR, open_sized, LABEL).train.arrays["image"].shape == (4, 1, 6, 5)


def test_arrays_in_memory() -> None:
    data = from_arrays({"image": GREY.tolist(), "label": (1, 2, 3, 4)})
    assert data.train["image"].shape == GREY.shape and data.train["label"].dtype == np.int64
    for wrong in (None, [GREY, LABELS], {"image": object()}):
        with pytest.raises(NetError, match=r"arrays by name|that is no array"):
            from_arrays(wrong)  # type: ignore[arg-type]


def test_the_digest_tells_data_apart() -> None:
    a, b = fitted(GREY).train, fitted(GREY + 1).train
    assert a.digest() == fitted(GREY.copy()).train.digest() != b.digest()
