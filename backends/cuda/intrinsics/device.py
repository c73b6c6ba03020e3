"""The vocabulary as Numba compiles it: an intrinsic for each word."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import FunctionType
from typing import Any

from netlang.backends.cuda.intrinsics.emission import Emission
from netlang.backends.cuda.intrinsics.word import Word, element_and_count


def numba_type(type: str) -> Any:
    """Numba's type of a parameter or result."""
    types: Any = import_module("numba").types
    names = {"none": "void", "bool": "boolean", "i32": "int32", "u32": "uint32", "i64": "int64", "u64": "uint64"}
    element, count = element_and_count(type)
    single = getattr(types, names.get(element) or f"float{element[1:]}")
    return single if count == 1 else types.UniTuple(single, count)


@cache
def intrinsic(word: Word, architecture: str) -> Any:
    """The Numba intrinsic that a kernel for `architecture` calls."""
    # By name: a type checker would look at Numba's own package, which numba-cuda takes the place of.
    extending: Any = import_module("numba.cuda.extending")

    def generate(context: Any, builder: Any, signature: Any, values: list[Any]) -> Any:
        result = word.emit(Emission(builder, architecture), *values)
        return context.get_dummy_value() if word.result == "none" else result

    signature = numba_type(word.result)(*map(numba_type, word.parameters))
    return extending.intrinsic(_typed(word.name, len(word.parameters), (signature, generate)))


def _typed(name: str, parameters: int, made: Any) -> Callable[..., Any]:
    """What Numba asks for the types of a call: a function whose parameters have to be named one by one."""
    listed = ", ".join(["typing_context", *(f"argument{i}" for i in range(parameters))])
    function: FunctionType = eval(f"lambda {listed}: made", {"made": made})
    function.__name__ = function.__qualname__ = name
    return function
