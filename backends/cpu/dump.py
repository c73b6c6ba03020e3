"""What NETLANG_DUMP shows of this backend: the steps of every program, and the LLVM IR of kernels when compiled."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from netlang import config
from netlang.backends.common.context import storage
from netlang.backends.common.dumping import put
from netlang.backends.common.steps import Arg, At, Moving, Scratch, Step, bases
from netlang.ir.dims import Sym
from netlang.ir.graph import Graph, Node, Value

if TYPE_CHECKING:
    from netlang.backends.cpu.compile import Compiled


def dump_steps(graph: Graph, prologue: Sequence[Step], steps: Sequence[Step]) -> None:
    """List a program: kernels with their arguments; `%n` is node n of the graph's text form."""
    if config.get("NETLANG_DUMP"):
        numbers = {node: i for i, node in enumerate(graph.nodes)}
        lines = ["once per set of parameters:", *(_line(s, numbers) for s in prologue)]
        lines += ["each call:", *(_line(s, numbers) for s in steps)]
        put(f"{re.sub(r'[^A-Za-z0-9_$.-]', '_', graph.name)}.cpu-steps.txt", "\n".join(lines) + "\n")


def dump_kernel(name: str, key: str, compiled: Compiled) -> None:
    """Show the LLVM IR of a kernel that has just been compiled."""
    if config.get("NETLANG_DUMP"):
        put(f"kernels/{name}.ll", f"; {key}\n{compiled.llvm}")


def _line(step: Step, numbers: Mapping[Node, int]) -> str:
    args = ", ".join(("=" if _is_written(step, arg) else "") + _argument(arg, numbers) for arg in step.args)
    around = "".join(f"{_argument(loop.rounds, numbers)} times: " for loop in step.loops)
    return f"  {around}{step.kernel.key}\n    ({args})"


def _is_written(step: Step, arg: Arg) -> bool:
    return arg in step.writes or (isinstance(arg, Moving) and set(bases(arg)) <= set(step.writes))


def _argument(arg: Arg, numbers: Mapping[Node, int]) -> str:
    if isinstance(arg, At):
        return f"{_argument(arg.buffer, numbers)}+{_argument(arg.offset, numbers)}"
    if isinstance(arg, Moving):
        return f"each round {_argument(arg.at[0], numbers)}, then {_argument(arg.at[1], numbers)}"
    if isinstance(arg, Value):
        node = storage(arg).node
        return node.name if node.op in ("input", "param") else f"%{numbers.get(node, '?')}.{arg.index}"
    if isinstance(arg, Scratch):
        return "scratch"
    return str(arg) if isinstance(arg, int | Sym) else "<by size>"
