"""Arrays on a GPU, and their exchange with other libraries. The GPU's memory is the host's here."""

from __future__ import annotations

import ctypes
import gc
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from netlang import NetError
from netlang.backends.cuda import arrays, dlpack
from netlang.backends.cuda.arrays import DeviceArray, Pool, adopted
from netlang.backends.cuda.driver.gpu import Gpu
from tests.backends.cuda.driver.fake import FakeDriver


@pytest.fixture
def gpu() -> Gpu:
    return Gpu(FakeDriver(gpus=2))


def filled(gpu: Gpu, values: Any) -> DeviceArray:
    array = Pool(gpu).array(values.shape, values.dtype)
    gpu.upload(array.address, values)
    return array


VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def test_an_array_is_what_numpy_would_say_of_it(gpu: Gpu) -> None:
    array = filled(gpu, VALUES)
    assert (array.shape, array.ndim, array.size, array.nbytes, len(array)) == ((2, 3, 4), 3, 24, 96, 2)
    assert np.array_equal(array.numpy(), VALUES) and np.array_equal(np.asarray(array), VALUES)
    assert np.array_equal(array[1].numpy(), VALUES[1]) and np.array_equal(array[-1][2].numpy(), VALUES[-1][2])
    assert array[None].shape == (1, 2, 3, 4)
    assert np.asarray(array, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(array, copy=False)
    with pytest.raises(IndexError):
        array[2]
    with pytest.raises(TypeError, match="no length"):
        len(array[0][0][0])
    assert repr(array) == "<DeviceArray float32[2, 3, 4] on GPU 0>"


def test_the_interface_of_cuda_arrays(gpu: Gpu) -> None:
    array = filled(gpu, VALUES)
    says = array.__cuda_array_interface__
    assert says == {
        "shape": (2, 3, 4),
        "typestr": "<f4",
        "data": (array.address, False),
        "strides": None,
        "version": 3,
    }
    assert not hasattr(filled(gpu, np.zeros(3, ml_dtypes.bfloat16)), "__cuda_array_interface__")


def test_an_array_of_another_library_is_taken_where_it_is_and_its_stream_waited_for() -> None:
    driver = FakeDriver()
    gpu = Gpu(driver)
    values = VALUES.copy()
    says = {"shape": (2, 3, 4), "typestr": "<f4", "data": (values.ctypes.data, False), "version": 3, "stream": 7}
    other = SimpleNamespace(__cuda_array_interface__=says)
    driver.calls.clear()
    found = adopted(gpu, other)
    assert found is not None and found.address == values.ctypes.data
    assert np.array_equal(found.numpy(), VALUES)
    [(recorded, stream)] = driver.made("cuEventRecord")[:1]
    assert stream == 7 and driver.made("cuStreamWaitEvent")[0][:2] == (gpu.stream, recorded)
    says["strides"] = (48, 16, 4)
    assert adopted(gpu, other) is not None
    says["strides"] = (4, 8, 24)
    with pytest.raises(NetError, match="is not contiguous"):
        adopted(gpu, other)


def test_what_is_not_on_a_gpu_is_left_to_others(gpu: Gpu) -> None:
    for value in (VALUES, [1, 2], 3.0, None):
        assert adopted(gpu, value) is None
    array = filled(gpu, VALUES)
    assert adopted(gpu, array) is array


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "int32", "int64", "bool", "bfloat16"])
def test_a_capsule_says_what_the_array_is_and_keeps_its_memory(gpu: Gpu, dtype: str) -> None:
    kind = np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else np.dtype(dtype)
    array = filled(gpu, VALUES.astype(kind))
    assert array.__dlpack_device__() == (2, 0)
    capsule, address = array.__dlpack__(stream=5), array.address
    tensor = dlpack.imported(capsule)
    assert (tensor.address, tensor.shape, tensor.dtype) == (address, (2, 3, 4), kind)
    del array
    gc.collect()
    found = DeviceArray(gpu, tensor.address, tensor.shape, tensor.dtype, tensor)
    assert np.array_equal(found.numpy(), VALUES.astype(kind))
    with pytest.raises(ValueError, match="was taken before"):
        dlpack.imported(capsule)


def test_memory_comes_back_when_whoever_took_it_is_done(gpu: Gpu) -> None:
    pool = Pool(gpu)
    array = pool.array((100,), np.dtype(np.float32))
    address = array.address
    taken = dlpack.imported(array.__dlpack__())
    unused = array[0].__dlpack__()
    del array
    gc.collect()
    dlpack.collect()
    assert len(dlpack._handed_over) == 2
    assert pool.array((100,), np.dtype(np.float32)).address != address
    del taken, unused
    gc.collect()
    dlpack.collect()
    assert not dlpack._handed_over
    assert address in {pool.array((100,), np.dtype(np.float32)).address for _ in range(2)}


def test_a_pool_keeps_a_few_pieces_of_each_size() -> None:
    driver = FakeDriver()
    pool = Pool(Gpu(driver))
    many = [pool.array((10,), np.dtype(np.float32)) for _ in range(arrays.MOST_SPARE + 3)]
    del many
    gc.collect()
    assert len(driver.made("cuMemFree")) == 3
    again = [pool.array((10,), np.dtype(np.float32)) for _ in range(arrays.MOST_SPARE)]
    assert len(driver.made("cuMemAlloc")) == arrays.MOST_SPARE + 3
    del again


class Foreign:
    """What PyTorch's tensors do, with a capsule that is made by hand."""

    def __init__(self, device: tuple[int, int] = (2, 0), fault: Exception | None = None, **changes: Any) -> None:
        self.device, self.fault, self.changes = device, fault, changes
        self.stream: int | None = None
        self.values = VALUES.copy()
        self.deleted = False

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, *, stream: int | None = None) -> Any:
        if self.fault is not None:
            raise self.fault
        self.stream = stream
        address = self.values.ctypes.data
        capsule = dlpack.exported(address, self.values.shape, self.values.dtype, 0, self)
        managed = next(tensor.managed for tensor in dlpack._handed_over if tensor.kept[-1] is self)
        if "strides" in self.changes:
            for i, stride in enumerate(self.changes["strides"]):
                managed.tensor.strides[i] = stride
        if "bits" in self.changes:
            managed.tensor.dtype.bits = self.changes["bits"]
        if "offset" in self.changes:
            managed.tensor.byte_offset = self.changes["offset"]
        return capsule


def test_a_tensor_is_asked_for_on_our_stream(gpu: Gpu) -> None:
    other = Foreign(offset=4)
    found = adopted(gpu, other)
    assert found is not None and other.stream == gpu.stream_number
    assert found.address == other.values.ctypes.data + 4
    assert ctypes.c_float.from_address(found.address).value == 1.0


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Foreign(device=(2, 1)), "an array is on GPU 1, and the code runs on GPU 0"),
        (Foreign(strides=(12, 1, 3)), "a Foreign on the GPU cannot be taken: it is not contiguous"),
        (Foreign(bits=4), "its element type .* is not known"),
        (Foreign(fault=BufferError("it requires grad")), "cannot be taken: it requires grad"),
    ],
)
def test_tensors_that_cannot_be_taken(gpu: Gpu, other: Foreign, message: str) -> None:
    with pytest.raises(NetError, match=message):
        adopted(gpu, other)
    gc.collect()


def test_tensors_of_the_host_are_left_to_numpy(gpu: Gpu) -> None:
    assert adopted(gpu, Foreign(device=(1, 0))) is None


def test_an_array_of_another_gpu_is_refused() -> None:
    driver = FakeDriver(gpus=2)
    with pytest.raises(NetError, match="an array is on GPU 1, and the code runs on GPU 0"):
        adopted(Gpu(driver, 0), filled(Gpu(driver, 1), VALUES))


def test_a_capsule_goes_away_while_an_exception_is_on_its_way(gpu: Gpu) -> None:
    """NumPy refuses memory of a GPU and drops the capsule before anybody could have handled that."""
    array = filled(gpu, VALUES)
    with pytest.raises((RuntimeError, BufferError), match="device"):
        np.from_dlpack(array)
    dlpack.collect()
    assert not [tensor for tensor in dlpack._handed_over if tensor.kept[-1] is array]


def test_torch_reads_the_capsule() -> None:
    """PyTorch looks at all fields of it; without CUDA it can only say that it has no such device."""
    torch = pytest.importorskip("torch")
    array = filled(Gpu(FakeDriver()), VALUES)
    if torch.cuda.is_available():
        pytest.skip("the memory here is the host's")
    with pytest.raises((RuntimeError, AssertionError, BufferError, ValueError)):
        torch.from_dlpack(array)
    gc.collect()
