"""Models as users call them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netlang.diagnostics import NetError
from netlang.ir.dims import sym
from netlang.ir.types import DType
from netlang.runtime.model import Model
from tests.nets import Net, lenet5
from tests.runtime.hand import mlp, model_of


@pytest.fixture
def model() -> Model:
    return model_of(mlp()).init(0)


def two_outputs() -> Model:
    net = Net("pair")
    a, b = net.input("a", sym("N"), 3), net.input("b", sym("N"), 3)
    make = net.line()
    return model_of(net.graph(sum=make.add(a, b), mean=make.op("reduce_mean", make.mul(a, b), axes=(0, 1))))


@pytest.mark.parametrize("batch", [0, 1, 3, 50])
def test_any_batch_size(model: Model, batch: int) -> None:
    probs = model(np.ones((batch, 64), np.float32))
    assert probs.shape == (batch, 10)
    assert np.allclose(probs.sum(axis=1), 1)


def test_a_sample_without_batch_dim(model: Model) -> None:
    x = np.linspace(0, 1, 64, dtype=np.float32)
    assert np.array_equal(model(x), model(x[None])[0])
    images = model_of(lenet5()).init(0)
    assert images(np.ones((1, 28, 28), np.float32)).shape == (10,)


def test_several_inputs_and_outputs() -> None:
    model = two_outputs()
    a, b = np.ones((2, 3), np.float32), np.full((2, 3), 2, np.float32)
    found = model(a, b=b)
    assert list(found) == ["sum", "mean"] and (found["sum"] == 3).all() and found["mean"] == 2
    single = model(a[0], b[0])
    assert single["sum"].shape == (3,) and single["mean"].shape == ()


def test_a_mix_of_batched_and_single_inputs_is_refused() -> None:
    with pytest.raises(NetError, match=r"input 'b': expected f32\[N, 3\], got f32\[3\]"):
        two_outputs()(np.ones((2, 3), np.float32), np.ones(3, np.float32))


def test_inputs_must_agree_on_the_batch() -> None:
    with pytest.raises(NetError, match="N is 2 in input 'a' and 4 in input 'b'"):
        two_outputs()(np.ones((2, 3), np.float32), np.ones((4, 3), np.float32))


def test_calling_before_there_are_weights() -> None:
    with pytest.raises(NetError, match="no weights yet"):
        model_of(mlp())(np.ones((1, 64), np.float32))
    with pytest.raises(NetError, match="no weights yet"):
        model_of(mlp()).save_weights("w.safetensors")


def test_a_net_without_weights_is_ready_at_once() -> None:
    assert two_outputs()(np.ones((1, 3), np.float32), np.ones((1, 3), np.float32))["sum"].all()


def test_weights_go_to_another_model(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    model.save_weights(path)
    x = np.ones((2, 64), np.float32)
    assert np.array_equal(model_of(mlp()).load_weights(path)(x), model(x))
    with pytest.raises(NetError, match=r"expected f32\[8, 64\], got f32\[16, 64\]"):
        model_of(mlp(hidden=8)).load_weights(path)


def test_parameters_are_assigned_by_name(model: Model) -> None:
    before = model(np.ones((1, 64), np.float32))
    model.parameters["fc2.bias"] = model.parameters["fc2.bias"] + 50 * np.eye(10, dtype=np.float32)[3]
    after = model(np.ones((1, 64), np.float32))
    assert after[0, 3] > 0.99 > before[0, 3]
    assert list(model.parameters) == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]


def test_parameters_that_cannot_be_assigned(model: Model) -> None:
    with pytest.raises(ValueError, match="read-only"):
        model.parameters["fc2.bias"][0] = 1
    for name, value, text in [
        ("fc2.bais", np.zeros(10, np.float32), "did you mean 'fc2.bias'?"),
        ("fc2.bias", np.zeros(9, np.float32), r"expected f32\[10\], got f32\[9\]"),
        ("fc2.bias", np.zeros(10), "got f64"),
    ]:
        with pytest.raises(NetError, match=text.replace("?", r"\?")):
            model.parameters[name] = value


def test_what_it_says_of_itself(model: Model) -> None:
    assert dict(model.inputs) == {"image": "f32[N, 64]"} and dict(model.outputs) == {"probs": "f32[N, 10]"}
    assert "mlp(image: f32[N, 64]) -> probs: f32[N, 10], on reference" in repr(model)
    model.reserve(4)


def test_no_train_section(model: Model) -> None:
    with pytest.raises(NetError, match="no train section"):
        model.trainer()


def test_an_index_out_of_range_is_named() -> None:
    net = Net("words")
    index = net.input("index", sym("N"), dtype=DType.I64)
    make = net.line("table")
    table = net.param(make, "table", 7, 2)
    model = model_of(net.graph(out=make.op("gather", table, index, axis=0))).init(0)
    assert model(np.array([0, 6])).shape == (2, 2)
    with pytest.raises(NetError, match=r"'index'\[1\] is 7; it must be between 0 and 6"):
        model(np.array([0, 7]))


def test_shapes_that_fitted_once_do_not_hide_others(model: Model) -> None:
    """Shapes are remembered once they were checked; every other one is still checked."""
    batch = np.linspace(0, 1, 128, dtype=np.float32).reshape(2, 64)
    for _ in range(2):
        assert model(batch).shape == (2, 10)
        assert model(batch[0]).shape == (10,)
        for wrong in (batch[:, 1:], batch[None], batch.astype(np.float64), batch.astype(">f4")):
            with pytest.raises(NetError, match="expected"):
                model(wrong)
        assert np.array_equal(model(np.asfortranarray(batch)), model(batch))
