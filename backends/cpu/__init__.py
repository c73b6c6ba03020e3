"""The cpu backend: Numba and LLVM kernels over raw pointers, one native call per forward pass or training step.

In the order of the pipeline: `backend` compiles a graph, `lower` turns nodes into steps by the table that `kernels`
fills, `homes` and `binding` decide where tensors live, `loader` finds machine code (`cache`, `compile`), `executable`
runs programs on `threads`.
"""

from netlang.backends.cpu.backend import Cpu

__all__ = ["Cpu"]
