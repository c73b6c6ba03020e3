"""A shared library of nets, called through its C interface."""

from __future__ import annotations

import ctypes
import mmap
from pathlib import Path
from typing import Any

import numpy as np

from netlang.runtime.ports import dtype_of

Array = np.ndarray[Any, np.dtype[Any]]

TYPES = ("bool", "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f16", "bf16", "f32", "f64")
_ADDRESS, _TEXT, _INT, _COUNT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int)
_DOUBLE = ctypes.POINTER(ctypes.c_double)
_SIZES, _PLACES = ctypes.POINTER(ctypes.c_int64), ctypes.POINTER(ctypes.c_void_p)


class Port(ctypes.Structure):
    _fields_ = (("name", _TEXT), ("text", _TEXT), ("type", _INT), ("rank", _INT), ("shape", _SIZES))


class Size(ctypes.Structure):
    _fields_ = (("name", _TEXT), ("least", ctypes.c_int64), ("largest", ctypes.c_int64))


_PORTS = ctypes.POINTER(Port)
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "net": (_TEXT, _INT),
    "create": (_ADDRESS, _TEXT, _INT, _TEXT),
    "destroy": (None, _ADDRESS),
    "run": (_INT, _ADDRESS, _SIZES, _PLACES, _PLACES),
    "error": (_TEXT,),
    "inputs": (_PORTS, _ADDRESS, _COUNT),
    "outputs": (_PORTS, _ADDRESS, _COUNT),
    "sizes": (ctypes.POINTER(Size), _ADDRESS, _COUNT),
    "input": (_INT, _ADDRESS, _TEXT),
    "output": (_INT, _ADDRESS, _TEXT),
    "shape": (ctypes.c_int64, _ADDRESS, _PORTS, _SIZES, _SIZES),
    "threads": (_INT, _ADDRESS),
    "level": (_TEXT, _ADDRESS),
    "seed": (_INT, _ADDRESS, ctypes.c_int64),
    "section": (_TEXT, _INT),
    "create_step": (_ADDRESS, _ADDRESS, _TEXT, _INT),
    "create_beside": (_ADDRESS, _ADDRESS, _TEXT, _INT),
    "learning_rate": (_INT, _ADDRESS, _DOUBLE),
    "next_epoch": (_INT, _ADDRESS, _DOUBLE),
    "set_epoch": (_INT, _ADDRESS, ctypes.c_double),
    "weights": (_PORTS, _ADDRESS, _COUNT),
    "get_weight": (_INT, _ADDRESS, _TEXT, _ADDRESS),
    "set_weight": (_INT, _ADDRESS, _TEXT, _ADDRESS),
    "save_weights": (_INT, _ADDRESS, _TEXT),
    "load_weights": (_INT, _ADDRESS, _TEXT),
    "save_checkpoint": (_INT, _ADDRESS, _TEXT),
    "load_checkpoint": (_INT, _ADDRESS, _TEXT),
}


class Failed(Exception):
    """What a library says of a call that failed."""


class Linked:
    """A library; `functions` are those of its header."""

    def __init__(self, path: Path, prefix: str = "netlang") -> None:
        self.functions: dict[str, Any] = {}
        library = ctypes.CDLL(str(path))
        for name, (result, *arguments) in _FUNCTIONS.items():
            function = self.functions[name] = getattr(library, f"{prefix}_{name}")
            function.restype, function.argtypes = result, arguments

    def ask(self, name: str, *args: Any) -> Any:
        """What a function returns. Raises Failed where that says that it failed."""
        found = self.functions[name](*args)
        if found is None or (isinstance(found, int) and found < 0):
            raise Failed(self.functions["error"]().decode())
        return found


class Net:
    """A model of a library."""

    def __init__(self, library: Linked, net: str | None = None, threads: int = 1, weights: str | None = None) -> None:
        names = [None if text is None else text.encode() for text in (net, weights)]
        self._begin(library, library.ask("create", names[0], threads, names[1]))

    def step(self, section: str | None = None, threads: int = 1) -> Net:
        """A training step that changes the weights of this model."""
        name = None if section is None else section.encode()
        return self._with(self.library.ask("create_step", self.model, name, threads))

    def beside(self, net: str, threads: int = 1) -> Net:
        """Another net over the same weights."""
        return self._with(self.library.ask("create_beside", self.model, net.encode(), threads))

    def _with(self, model: Any) -> Net:
        found = Net.__new__(Net)
        found._begin(self.library, model)
        return found

    def _begin(self, library: Linked, model: Any) -> None:
        self.library, self.model = library, model
        self.inputs, self.outputs = (self._listed(what) for what in ("inputs", "outputs"))
        self.sizes = [(s.name.decode(), s.least, s.largest) for s in self._listed("sizes")]

    def _listed(self, what: str) -> list[Any]:
        count = ctypes.c_int()
        found = self.library.functions[what](self.model, ctypes.byref(count))
        return [found[i] for i in range(count.value)]

    def shape(self, port: Port, sizes: dict[str, int]) -> tuple[int, ...]:
        found = (ctypes.c_int64 * max(1, port.rank))()
        self.library.ask("shape", self.model, ctypes.byref(port), self.numbers(sizes), found)
        return tuple(found[: port.rank])

    def bytes(self, port: Port, sizes: dict[str, int]) -> int:
        return int(self.library.ask("shape", self.model, ctypes.byref(port), self.numbers(sizes), None))

    def numbers(self, sizes: dict[str, int]) -> Any:
        return (ctypes.c_int64 * max(1, len(self.sizes)))(*(sizes[name] for name, _, _ in self.sizes))

    def __call__(self, sizes: dict[str, int], **named: Array) -> dict[str, Array]:
        """One call, with arrays that fit."""
        ports = {port.name.decode(): port for port in self.outputs}
        found = {n: np.empty(self.shape(p, sizes), dtype_of(TYPES[p.type])) for n, p in ports.items()}
        given = [np.ascontiguousarray(named[port.name.decode()]) for port in self.inputs]
        takes, gives = ((ctypes.c_void_p * len(a))(*(x.ctypes.data for x in a)) for a in (given, list(found.values())))
        self.library.ask("run", self.model, self.numbers(sizes), takes, gives)
        return found

    def close(self) -> None:
        self.library.functions["destroy"](self.model)


class Fenced:
    """So many bytes at an address, at the end or the beginning of pages between others that nobody may touch."""

    def __init__(self, count: int, at_end: bool) -> None:
        page = mmap.PAGESIZE
        room = -(-max(1, count) // page) * page
        self._memory = mmap.mmap(-1, room + 2 * page)
        first = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        for fence in (first, first + page + room):
            assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(fence), ctypes.c_size_t(page), 0) == 0
        self.bytes = count
        self.address = first + page + (room - count if at_end else 0)
