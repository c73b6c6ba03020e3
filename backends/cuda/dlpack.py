"""DLPack by hand: capsules of tensors in the memory of a GPU (https://dmlc.github.io/dlpack/latest/c_api.html).

A capsule holds the address of a DLManagedTensor; who takes it renames the capsule and calls the tensor's `deleter` when
he is done with it.
"""

from __future__ import annotations

import ctypes
import weakref
from dataclasses import dataclass
from math import prod
from typing import Any

import ml_dtypes
import numpy as np

from netlang.backends.cuda.dlpack_native import functions

CUDA = 2
"""The kind of device that a GPU's memory is (kDLCUDA)."""
_NAME, _USED = b"dltensor", b"used_dltensor"
_INT, _UINT, _FLOAT, _BFLOAT, _BOOL = 0, 1, 2, 4, 6
_CODES = {"i": _INT, "u": _UINT, "f": _FLOAT, "b": _BOOL}
_BFLOAT16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)


class _Device(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_int32), ("index", ctypes.c_int32))


class _DataType(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", _Device),
        ("ndim", ctypes.c_int32),
        ("dtype", _DataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Managed(ctypes.Structure):
    _fields_ = (("tensor", _Tensor), ("manager", ctypes.c_void_p), ("deleter", _Deleter))


_api = ctypes.pythonapi
_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(("PyCapsule_New", _api))
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", _api))
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_GetPointer", _api))
_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_SetName", _api))


@dataclass(frozen=True, eq=False)
class _HandedOver:
    """A tensor that others hold. `done` becomes 1 when they let it go, which may be at a time when no Python runs."""

    managed: _Managed
    done: ctypes.c_int64
    kept: tuple[Any, ...]


_handed_over: list[_HandedOver] = []


@dataclass(frozen=True, eq=False)
class Imported:
    """Another library's tensor, which keeps its memory until this is gone."""

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def exported(address: int, shape: tuple[int, ...], dtype: np.dtype[Any], index: int, owner: object) -> Any:
    """A capsule of a C-contiguous array on GPU `index`; `owner` is kept until whoever takes it is done with it."""
    count = len(shape)
    sizes = (ctypes.c_int64 * max(1, count))(*shape)
    strides = (ctypes.c_int64 * max(1, count))(*(prod(shape[i + 1 :]) for i in range(count)))
    tensor = _Tensor(address, _Device(CUDA, index), count, _described(dtype), sizes, strides, 0)
    done = ctypes.c_int64(0)
    deleter, destructor = functions(_Managed.manager.offset)
    managed = _Managed(tensor, ctypes.addressof(done), _Deleter(deleter))
    collect()
    _handed_over.append(_HandedOver(managed, done, (sizes, strides, owner)))
    return _new(ctypes.addressof(managed), _NAME, destructor)


def collect() -> None:
    """Let go of what others are done with."""
    _handed_over[:] = [tensor for tensor in _handed_over if not tensor.done.value]


def imported(capsule: Any) -> Imported:
    """What a capsule holds, which is used up by that. Raises ValueError for what is not C-contiguous on a GPU."""
    if not _is_valid(id(capsule), _NAME):
        raise ValueError("that is no DLPack capsule of a tensor, or it was taken before")
    place = _pointer(id(capsule), _NAME)
    managed = _Managed.from_address(place)
    tensor = managed.tensor
    shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
    if tensor.strides and 0 not in shape:
        found = [tensor.strides[i] for i in range(tensor.ndim) if shape[i] != 1]
        if found != [prod(shape[i + 1 :]) for i in range(tensor.ndim) if shape[i] != 1]:
            raise ValueError("it is not contiguous")
    if tensor.device.kind != CUDA:
        raise ValueError("it is not on a GPU")
    dtype = _numpy_type(tensor.dtype)
    made = Imported((tensor.data or 0) + tensor.byte_offset, shape, dtype)
    _rename(capsule, _USED)
    weakref.finalize(made, _delete, managed.deleter, place).atexit = False
    return made


def _described(dtype: np.dtype[Any]) -> _DataType:
    code = _BFLOAT if dtype == _BFLOAT16 else _CODES.get(dtype.kind)
    if code is None:
        raise BufferError(f"DLPack has no element type {dtype}")
    return _DataType(code, 8 * dtype.itemsize, 1)


def _numpy_type(described: _DataType) -> np.dtype[Any]:
    if described.lanes == 1 and (described.code, described.bits) == (_BFLOAT, 16):
        return _BFLOAT16
    kinds = {code: kind for kind, code in _CODES.items()}
    if described.lanes != 1 or described.code not in kinds or described.bits % 8:
        raise ValueError(f"its element type (DLPack code {described.code}, {described.bits} bits) is not known")
    found: np.dtype[Any] = np.dtype(f"{kinds[described.code]}{described.bits // 8}")
    return found


def _delete(deleter: Any, place: int) -> None:
    # The structure of whoever made it may have none: a pointer of C's that is null.
    if bool(deleter):
        deleter(place)
