"""A kernel compiled by Numba itself, which the language of kernels is part of: what this project's own translation is
held to. Every word becomes an intrinsic."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import FunctionType
from typing import Any

import numpy as np

from netlang.backends.cuda.architecture import PTX_VERSIONS, capability, is_specific
from netlang.backends.cuda.intrinsics import CONSTANTS, WORDS
from netlang.backends.cuda.intrinsics.emission import Emission
from netlang.backends.cuda.intrinsics.word import Word, element_and_count
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.toolchain import Ptx


def ptx(kernel: Kernel, arch: str) -> Ptx:
    """The PTX that Numba makes of a kernel."""
    # By name: a type checker would look at Numba's own package, which numba-cuda takes the place of.
    cuda: Any = import_module("numba.cuda")
    names = vocabulary(arch)
    exec(compile(kernel.source(), f"<kernel {kernel.key}>", "exec"), names)  # a text of this package's generators
    kinds = {"p": numba_type("u64"), "i": numba_type("i32"), "l": numba_type("i64")}
    with warnings.catch_warnings():
        # Of unsigned addresses that wrap around, and of launches that fill no GPU.
        warnings.simplefilter("ignore")
        (text,), _ = cuda.compile_all(
            names["kernel"],
            numba_type("none")(*(kinds[letter] for letter in kernel.arguments)),
            device=False,
            abi="numba",
            cc=(*capability(arch), "a" if is_specific(arch) else ""),
            output="ptx",
            opt=True,
            debug=False,
            launch_bounds=(kernel.threads, kernel.blocks_per_sm) if kernel.blocks_per_sm else (kernel.threads,),
        )
    (entry,) = re.findall(r"^\.visible \.entry (\w+)\(", text, re.MULTILINE)
    return Ptx(
        entry, arch, re.sub(r"^\.version \S+$", f".version {PTX_VERSIONS[arch]}", text, flags=re.MULTILINE) + "\n"
    )


def vocabulary(architecture: str) -> dict[str, Any]:
    """What the names in a kernel's source stand for when Numba compiles it."""
    numbers = {"i32": np.int32, "i64": np.int64, "u32": np.uint32, "u64": np.uint64}
    words = {name: intrinsic(word, architecture) for name, word in WORDS.items() if word.runs_on(architecture)}
    return {**CONSTANTS, **numbers, "f32": np.float32, "f64": np.float64, **words}


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
