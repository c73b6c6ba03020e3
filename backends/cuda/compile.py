"""From the text of a kernel to PTX, and from PTX to machine code. Imported only where no cache has them.

Numba types and lowers the text, NVVM makes PTX of it, nvJitLink has ptxas in it. Link-time optimisation stays off: NVVM
then sees the whole kernel, and what it writes is what was asked for. Floats are handled as IEEE 754 says (division and
square root correctly rounded, no flush to zero), except that a product and the sum that follows it become one FMA,
which rounds once.
"""

from __future__ import annotations

import re
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from netlang import config
from netlang.backends.common.dumping import put
from netlang.backends.cuda.architecture import PTX_VERSIONS, capability, is_specific
from netlang.backends.cuda.intrinsics import vocabulary
from netlang.backends.cuda.kernel import Kernel

if TYPE_CHECKING:
    from netlang.backends.cuda.toolchain import Ptx

_FUNCTION = "kernel"
"""The name of the function in a kernel's text."""
_ENTRY = re.compile(r"^\.visible \.entry (\w+)\(", re.MULTILINE)
_ENVIRONMENT = re.compile(r"^\.common \.global \.align 8 \.u64 _ZN08NumbaEnv\S*;\n", re.MULTILINE)
"""What Numba keeps for code that calls the interpreter."""
_VERSION = re.compile(r"^\.version \S+$", re.MULTILINE)


def ptx_text(kernel: Kernel, arch: str, entry: str) -> str:
    """The PTX of a kernel, with `entry` as its entry point.

    Raises RuntimeError, which names the kernel, where its text does not compile.
    """
    text = kernel.source()
    where = f"; its source is in {put(f'kernels/{entry}.py', text)}" if config.get("NETLANG_DUMP") else ""
    try:
        found = _compiled(kernel, text, arch)
    except Exception as fault:  # whatever Numba, NVVM or an intrinsic makes of a text that means nothing
        raise RuntimeError(f"kernel {kernel.key} does not compile for sm_{arch}{where}\n{fault}") from fault
    named = _named(found, entry, arch)
    if where:
        put(f"kernels/{entry}.ptx", named)
    return named


def link(code: Ptx, arch: str, key: str) -> tuple[bytes, str]:
    """Machine code for an architecture from a PTX module of the same or an older one, and what ptxas reports of it.

    Raises RuntimeError, which names the kernel, for PTX that ptxas refuses.
    """
    from cuda.bindings.nvjitlink import nvJitLinkError
    from cuda.core import Linker, LinkerOptions, ObjectCode

    options = LinkerOptions(arch=f"sm_{arch}", ptxas_options=["-v"])
    try:
        linker = Linker(ObjectCode.from_ptx(code.text.encode("ascii")), options=options)
        return bytes(linker.link("cubin").code), linker.get_info_log()
    except nvJitLinkError as fault:
        where = f"; its PTX is in {put(f'kernels/{code.entry}.ptx', code.text)}" if config.get("NETLANG_DUMP") else ""
        raise RuntimeError(f"ptxas refuses kernel {key} for sm_{arch}{where}\n{fault}") from fault


def _compiled(kernel: Kernel, text: str, arch: str) -> str:
    from numba import types

    # By name, because a type checker would look at Numba's own package, which numba-cuda takes the place of.
    cuda: Any = import_module("numba.cuda")
    kinds = {"p": types.uint64, "i": types.int32, "l": types.int64}
    names = vocabulary(arch)
    exec(compile(text, f"<kernel {kernel.key}>", "exec"), names)  # a text of this package's generators
    bounds = (kernel.threads, kernel.blocks_per_sm) if kernel.blocks_per_sm else (kernel.threads,)
    with warnings.catch_warnings():
        # Of unsigned addresses that wrap around, and of launches that fill no GPU.
        warnings.simplefilter("ignore")
        texts, _ = cuda.compile_all(
            names[_FUNCTION],
            types.void(*(kinds[letter] for letter in kernel.arguments)),
            device=False,
            abi="numba",
            cc=(*capability(arch), "a" if is_specific(arch) else ""),
            output="ptx",
            opt=True,
            debug=False,
            launch_bounds=bounds,
        )
    if len(texts) != 1:
        raise RuntimeError("it depends on code from elsewhere")
    return str(texts[0])


def _named(text: str, entry: str, arch: str) -> str:
    """Numba's PTX with a name of ours, which is the same in every process, and in the version that
    the table of architectures says."""
    found = _ENTRY.findall(text)
    if len(found) != 1:
        raise RuntimeError(f"{len(found)} entry points instead of one: {entry}")
    text = _ENVIRONMENT.sub("", text.replace(found[0], entry))
    return _VERSION.sub(f".version {PTX_VERSIONS[arch]}", text, count=1) + "\n"
