"""The cpu backend: Numba and LLVM kernels over raw pointers, one native call per forward pass or training step.

In the order of the pipeline: `backend` compiles a graph, `lower` turns nodes into steps by the table that `kernels`
fills, `translation` makes a `program` of them, which is data; `loader` finds machine code (`cache`, `compile`). A
`runner` binds the program to sizes (`arena`, `tables`, `binding`) and carries it out on `threads`: these need NumPy
alone, and `artifact` has them run programs from files. So nothing is imported here before it is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netlang.backends.cpu.backend import Cpu as Cpu

__all__ = ["Cpu"]


def __getattr__(name: str) -> Any:
    if name != "Cpu":
        raise AttributeError(f"module 'netlang.backends.cpu' has no attribute '{name}'")
    from netlang.backends.cpu.backend import Cpu

    return Cpu
