"""Arrays in the memory of a GPU, exchanged without a copy with whatever speaks `__cuda_array_interface__` or DLPack."""

from __future__ import annotations

import weakref
from collections import defaultdict
from math import prod
from typing import Any

import numpy as np

from netlang.backends.base import Array
from netlang.backends.cuda import dlpack
from netlang.backends.cuda.device import Device
from netlang.diagnostics import NetError

MOST_SPARE = 8
"""Pieces of memory of one size that are kept for the next arrays."""


class DeviceArray:
    """A C-contiguous array on a GPU. Made by calls of a model with arrays of the GPU; it is complete when it is there.

    CuPy, PyTorch, JAX and Numba take it as theirs (`torch.from_dlpack(array)`, `cupy.asarray(array)`), and
    `numpy()` copies it to the host. It is not to be written to while a call reads it.
    """

    def __init__(
        self, device: Device, address: int, shape: tuple[int, ...], dtype: np.dtype[Any], owner: object
    ) -> None:
        """`owner` keeps the memory while it is referred to."""
        self.device, self.address, self.shape, self.dtype = device, address, shape, dtype
        self._owner = owner

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """Elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def numpy(self) -> Array:
        """A copy on the host."""
        array = np.empty(self.shape, self.dtype)
        self.device.download(self.address, array)
        return array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("an array on a GPU cannot be NumPy's without a copy")
        array = self.numpy()
        return array if dtype is None else array.astype(dtype, copy=False)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an array without dims has no length")
        return self.shape[0]

    def __getitem__(self, index: int | None) -> DeviceArray:
        """`array[i]`, or `array[None]` for the same with one more dim."""
        if index is None:
            return DeviceArray(self.device, self.address, (1, *self.shape), self.dtype, self._owner)
        place = range(len(self))[index]
        rest = self.shape[1:]
        return DeviceArray(
            self.device, self.address + place * prod(rest) * self.dtype.itemsize, rest, self.dtype, self._owner
        )

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3. Nobody has to wait for a stream: the array is complete."""
        if self.dtype.kind == "V":
            raise AttributeError(f"__cuda_array_interface__ has no {self.dtype}; DLPack does")
        data = (self.address if self.size else 0, False)
        return {"shape": self.shape, "typestr": self.dtype.str, "data": data, "strides": None, "version": 3}

    def __dlpack__(self, **wishes: Any) -> Any:
        """A capsule. `stream` needs no heed, because the array is complete; a copy is not made."""
        if wishes.get("copy"):
            raise BufferError("an array on a GPU is handed over without a copy")
        return dlpack.exported(self.address, self.shape, self.dtype, self.device.index, self)

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CUDA, self.device.index

    def __repr__(self) -> str:
        return f"<DeviceArray {self.dtype}{list(self.shape)} on GPU {self.device.index}>"


class Pool:
    """Memory for arrays that leave a call; what comes back is used for the next of that size."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._spare: defaultdict[int, list[int]] = defaultdict(list)

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> DeviceArray:
        """A new array, not initialised. Raises NetError where there is not enough memory."""
        dlpack.collect()
        size = max(1, prod(shape) * dtype.itemsize)
        spare = self._spare[size]
        address = spare.pop() if spare else self._device.allocate(size)
        owner = Memory()
        weakref.finalize(owner, self._take_back, size, address).atexit = False
        return DeviceArray(self._device, address, shape, dtype, owner)

    def _take_back(self, size: int, address: int) -> None:
        if len(self._spare[size]) < MOST_SPARE:
            self._spare[size].append(address)
        else:
            self._device.free(address)


class Memory:
    """Stands for a piece of memory: it goes back to its pool with the last array in it."""


def adopted(device: Device, value: Any) -> DeviceArray | None:
    """An array of any library that is in this device's memory, without a copy; None for what is not on a GPU.

    Raises NetError for one on another GPU, and for one whose elements do not lie in order without gaps.
    """
    if isinstance(value, DeviceArray):
        found: DeviceArray | None = value
    elif hasattr(value, "__dlpack_device__") and hasattr(value, "__dlpack__"):
        found = _by_dlpack(device, value)
    elif hasattr(value, "__cuda_array_interface__"):
        found = _by_interface(device, value)
    else:
        return None
    if found is not None and found.device.index != device.index:
        raise NetError(f"an array is on GPU {found.device.index}, and the code runs on GPU {device.index}")
    return found


def _by_dlpack(device: Device, value: Any) -> DeviceArray | None:
    kind, index = value.__dlpack_device__()
    if kind != dlpack.CUDA:
        return None
    if index != device.index:
        raise NetError(f"an array is on GPU {index}, and the code runs on GPU {device.index}")
    try:
        # The other library makes our stream wait for its own.
        tensor = dlpack.imported(value.__dlpack__(stream=device.stream_number))
    except (BufferError, RuntimeError, TypeError, ValueError) as fault:
        raise NetError(f"a {type(value).__name__} on the GPU cannot be taken: {fault}") from fault
    return DeviceArray(device, tensor.address, tensor.shape, tensor.dtype, tensor)


def _by_interface(device: Device, value: Any) -> DeviceArray:
    """Numba's own arrays, and older libraries."""
    says = value.__cuda_array_interface__
    dtype, shape = np.dtype(says["typestr"]), tuple(says["shape"])
    if says.get("strides") is not None and tuple(says["strides"]) != byte_strides(shape, dtype):
        raise NetError(f"a {type(value).__name__} on the GPU is not contiguous", hint="make a contiguous copy of it")
    stream = says.get("stream")
    if stream is not None:
        device.wait_for(int(stream))
    return DeviceArray(device, int(says["data"][0]), shape, dtype, value)


def byte_strides(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, ...]:
    """Bytes from an element to the next along each dim of a C-contiguous array."""
    return tuple(prod(shape[i + 1 :]) * dtype.itemsize for i in range(len(shape)))
