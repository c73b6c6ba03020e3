"""Kernel source as a coroutine: a thread stops where others have to come, and goes on with what they made together.

    total = f32(total + shuffle_xor_f32(total, 16))     becomes
    total = f32(total + (yield ("shuffle_xor_f32", (total, 16))))

So a block needs no threads of the operating system: one thread of the kernel runs until it waits, then the next.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any

from netlang.backends.cuda.intrinsics import WORDS
from netlang.backends.cuda.simulator.faults import SimulationError

TURN = "_turn"
"""What every round of a `while` calls: kernels that never end are found out."""
_INNER = (ast.Lambda, ast.FunctionDef, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class Program:
    """A kernel that can be run: `waits` says whether it is a coroutine, `names` what it may refer to."""

    name: str
    code: CodeType
    waits: bool
    names: frozenset[str]

    def function(self, names: dict[str, Any]) -> Callable[..., Any]:
        """The kernel with what its global names stand for."""
        space = dict(names)
        exec(self.code, space)
        made: Callable[..., Any] = space[self.name]
        return made


class _Waiting(ast.NodeTransformer):
    """Makes calls of collective words yields."""

    def __init__(self, words: Collection[str]) -> None:
        self.words = words
        self.waits = False

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not (isinstance(node.func, ast.Name) and node.func.id in self.words):
            return node
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            raise SimulationError(f"line {node.lineno}: {node.func.id} takes plain arguments")
        self.waits = True
        request = ast.Tuple([ast.Constant(node.func.id), ast.Tuple(node.args, ast.Load())], ast.Load())
        return ast.copy_location(ast.Yield(request), node)

    def visit_While(self, node: ast.While) -> ast.AST:
        self.generic_visit(node)
        turn = ast.Call(ast.Name(TURN, ast.Load()), [], [])
        node.test = ast.BoolOp(ast.And(), [turn, node.test])
        return node


@lru_cache(maxsize=256)
def program(source: str, filename: str) -> Program:
    """The kernel in a source text: its only function. Raises SimulationError for what cannot be made a coroutine."""
    tree = ast.parse(source, filename)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    if len(functions) != 1:
        raise SimulationError(f"the source of a kernel is one function, not {len(functions)}")
    _check_literals(tree)
    words = {name for name, word in WORDS.items() if word.collective}
    for inner in ast.walk(functions[0]):
        if isinstance(inner, _INNER) and inner is not functions[0]:
            called = {n.id for n in ast.walk(inner) if isinstance(n, ast.Name)} & words
            if called:
                raise SimulationError(f"line {inner.lineno}: {min(called)} is called inside of an inner function")
    names = frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    waiting = _Waiting(words)
    tree = ast.fix_missing_locations(waiting.visit(tree))
    return Program(functions[0].name, compile(tree, filename, "exec"), waiting.waits, names)


def _check_literals(tree: ast.AST) -> None:
    """Float literals are float64 on a GPU, and so would be all that is computed with them. Here NumPy adapts them to
    what they meet, so that results would look right; unless a conversion or a word takes them, they are an error."""
    converted = {
        id(part)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("f32", "f64", *WORDS)
        for argument in call.args
        for part in ((argument, argument.operand) if isinstance(argument, ast.UnaryOp) else (argument,))
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float) and id(node) not in converted:
            raise SimulationError(f"line {node.lineno}: {node.value} is a float64; write f32({node.value})")
