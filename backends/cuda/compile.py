"""From the text of a kernel to PTX, and from PTX to machine code. Imported only where no cache has them.

`language` makes LLVM IR of the text, NVVM makes PTX of that, nvJitLink has ptxas in it. Link-time optimisation stays
off: NVVM then sees the whole kernel, and what it writes is what was asked for. Floats are handled as IEEE 754 says
(division and square root correctly rounded, no flush to zero), except that a product and the sum that follows it become
one FMA, which rounds once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netlang import config
from netlang.backends.common.dumping import put
from netlang.backends.cuda.architecture import PTX_VERSIONS
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.language import llvm_module, ptx_of

if TYPE_CHECKING:
    from netlang.backends.cuda.toolchain import Ptx

_VERSION = re.compile(r"^\.version \S+$", re.MULTILINE)


def ptx_text(kernel: Kernel, arch: str, entry: str) -> str:
    """The PTX of a kernel, with `entry` as its entry point.

    Raises RuntimeError, which names the kernel, where its text does not compile.
    """
    text = kernel.source()
    where = f"; its source is in {put(f'kernels/{entry}.py', text)}" if config.get("NETLANG_DUMP") else ""
    try:
        found = ptx_of(llvm_module(kernel, text, arch, entry), arch)
    except Exception as fault:  # whatever the parser, NVVM or a word makes of a text that means nothing
        raise RuntimeError(f"kernel {kernel.key} does not compile for sm_{arch}{where}\n{fault}") from fault
    found = _VERSION.sub(f".version {PTX_VERSIONS[arch]}", found, count=1) + "\n"
    if where:
        put(f"kernels/{entry}.ptx", found)
    return found


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
