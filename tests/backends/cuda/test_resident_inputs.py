"""A model called with arrays that are on its device, and what it returns then; carried out by the simulator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netlang import NetError
from netlang.backends.cuda import Cuda
from netlang.backends.cuda.arrays import DeviceArray, Pool
from netlang.backends.cuda.simulator.device import Simulator
from netlang.driver import assemble
from netlang.frontend import load
from netlang.runtime.model import Model

NET = """
net bend {
  input x: f32[N, 3]
  input y: f32[N, 3]
  output z = relu(x) * 2.0 + y
}
"""


class Counting(Simulator):
    """Counts what is copied from the host and recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.uploads = self.copies = self.recorded = 0

    def upload(self, address: int, array: Any) -> None:
        self.uploads += 1
        super().upload(address, array)

    def copy(self, target: int, source: int, bytes: int) -> None:
        self.copies += 1
        super().copy(target, source, bytes)

    def record(self, launches: Any) -> Any:
        self.recorded += 1
        return super().record(launches)


@pytest.fixture
def device() -> Counting:
    return Counting()


def made(device: Simulator) -> Model:
    return assemble(load(NET), Cuda(device=device)).init()


def on_device(pool: Pool, device: Simulator, values: Any) -> DeviceArray:
    array = pool.array(values.shape, values.dtype)
    device.upload(array.address, values)
    return array


X = np.linspace(-3, 3, 12, dtype=np.float32).reshape(4, 3)
Y = np.linspace(5, 7, 12, dtype=np.float32).reshape(4, 3)
Z = np.maximum(X, 0) * 2 + Y


def test_inputs_on_the_device_give_outputs_on_the_device(device: Counting) -> None:
    model, pool = made(device), Pool(device)
    x = on_device(pool, device, X)
    found = model(x, Y)
    assert isinstance(found, DeviceArray) and found.shape == (4, 3)
    assert np.array_equal(found.numpy(), Z)
    assert isinstance(model(X, Y), np.ndarray) and np.array_equal(model(X, Y), Z)


def test_an_output_stays_what_it_was(device: Counting) -> None:
    model, pool = made(device), Pool(device)
    first = model(on_device(pool, device, X), Y)
    second = model(on_device(pool, device, -X), Y)
    assert np.array_equal(first.numpy(), Z)
    assert np.array_equal(second.numpy(), np.maximum(-X, 0) * 2 + Y)


def test_arrays_that_come_again_are_not_copied(device: Counting) -> None:
    model, pool = made(device), Pool(device)
    x, y = on_device(pool, device, X), on_device(pool, device, Y)
    model(x, y)
    assert (device.recorded, device.copies) == (1, 3)
    for _ in range(3):
        device.uploads = device.copies = 0
        assert np.array_equal(model(x, y).numpy(), Z)
        assert (device.recorded, device.uploads, device.copies) == (2, 0, 1)
    device.upload(x.address, -X)
    assert np.array_equal(model(x, y).numpy(), np.maximum(-X, 0) * 2 + Y)
    assert np.array_equal(model(X, Y), Z)
    assert device.recorded == 2


def test_a_sample_without_the_batch(device: Counting) -> None:
    model, pool = made(device), Pool(device)
    x, y = on_device(pool, device, X), on_device(pool, device, Y)
    found = model(x[1], y[1])
    assert found.shape == (3,) and np.array_equal(found.numpy(), Z[1])


def test_element_types_and_shapes_are_checked_as_ever(device: Counting) -> None:
    model, pool = made(device), Pool(device)
    with pytest.raises(NetError, match=r"input 'x': expected f32\[N, 3\], got i32\[4, 3\]"):
        model(on_device(pool, device, X.astype(np.int32)), Y)
    with pytest.raises(NetError, match="N is 4 in input 'x' and 3 in input 'y'"):
        model(on_device(pool, device, X), Y[:3])
