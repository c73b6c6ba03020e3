"""Statements of a kernel's text: variables, branches and loops.

A variable is a place on the stack, one for each type that it is given, which NVVM makes registers of. Where ways meet
on which a name has been given different types, it is unknown until it is set again.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from netlang.backends.cuda.language.arithmetic import binary, compared
from netlang.backends.cuda.language.expressions import Expressions
from netlang.backends.cuda.language.values import SIGNED, Typed, converted, item, number


@dataclass(frozen=True, eq=False)
class _Variable:
    kind: str
    place: Any


Names = dict[str, _Variable | None]
"""What is set, by name; None where ways have met on which it is of different types."""


@dataclass
class _Loop:
    """A loop that is being written. `before`: the names as it is entered; `read`: those of them that its body has read
    as they were then; `ends`: the names where a round ends early."""

    before: Names
    again: Any
    read: set[str] = field(default_factory=set)
    ends: list[Names] = field(default_factory=list)


class Statements(Expressions):
    """Writes the code of a function's body, which ends with a return."""

    def __init__(self, builder: Any, architecture: str, arguments: Sequence[tuple[str, Typed]]) -> None:
        super().__init__(builder, architecture)
        self._names: Names = {}
        self._places: dict[tuple[str, str], _Variable] = {}
        self._known: dict[str, tuple[Any, Typed]] = {}
        """The block in which the value of a name is known, and the value."""
        self._loops: list[_Loop] = []
        for name, value in arguments:
            self._set(name, value)

    def read(self, name: str) -> Typed | None:
        variable = self._names.get(name)
        if variable is None:
            return None
        for loop in self._loops:
            if loop.before.get(name) is variable:
                loop.read.add(name)
        block, value = self._known.get(name, (None, None))
        if block is not self.builder.block or value is None:
            value = Typed(variable.kind, self.builder.load(variable.place))
            self._known[name] = (self.builder.block, value)
        return value

    def _set(self, name: str, value: Typed) -> None:
        key = (name, value.kind)
        if key not in self._places:
            with self.builder.goto_entry_block():
                self._places[key] = _Variable(value.kind, self.builder.alloca(value.value.type, name=name))
        self._names[name] = self._places[key]
        self.builder.store(value.value, self._places[key].place)
        self._known[name] = (self.builder.block, value)

    def block(self, body: Sequence[ast.stmt]) -> None:
        """The code of some statements. Raises TypeError or NameError, with the line, for what has no meaning."""
        for node in body:
            if self.builder.block.is_terminated:
                return
            try:
                self._statement(node)
            except (TypeError, NameError) as fault:
                if "line " in str(fault):
                    raise
                raise type(fault)(f"line {node.lineno}, {ast.unparse(node).splitlines()[0]}: {fault}") from fault

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            self._assign(node.targets[0], self.expression(node.value))
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            before = self.expression(ast.Name(node.target.id))
            self._set(node.target.id, binary(self.builder, node.op, before, self.expression(node.value)))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            self.call(node.value)
        elif isinstance(node, ast.If):
            self._if(node)
        elif isinstance(node, ast.While) and not node.orelse:
            self._loop(lambda: self.truth(node.test), lambda: self.block(node.body), lambda: None)
        elif isinstance(node, ast.For) and not node.orelse:
            self._for(node)
        elif isinstance(node, ast.Return) and node.value is None:
            self.builder.ret_void()
        elif isinstance(node, ast.Continue):
            self._loops[-1].ends.append(dict(self._names))
            self.builder.branch(self._loops[-1].again)
        else:
            raise TypeError(f"{type(node).__name__} is not in the language of kernels")

    def _assign(self, target: ast.expr, value: Typed) -> None:
        if isinstance(target, ast.Name):
            self._set(target.id, value)
            return
        if not isinstance(target, ast.Tuple):
            raise TypeError("only names are set")
        for i, part in enumerate(target.elts):
            self._assign(part, item(self.builder, value, i))

    def _if(self, node: ast.If) -> None:
        b, before = self.builder, dict(self._names)
        condition = self.truth(node.test)
        blocks = [b.append_basic_block() for _ in range(3 if node.orelse else 2)]
        after = blocks[-1]
        b.cbranch(condition, blocks[0], blocks[1])
        ways: list[Names] = [] if node.orelse else [before]
        for body, block in zip((node.body, node.orelse) if node.orelse else (node.body,), blocks, strict=False):
            b.position_at_end(block)
            self._names = dict(before)
            self.block(body)
            if not b.block.is_terminated:
                ways.append(self._names)
                b.branch(after)
        b.position_at_end(after)
        if not ways:
            b.unreachable()
        self._names = _met(ways)

    def _for(self, node: ast.For) -> None:
        """for NAME in range(END)."""
        call = node.iter
        if not isinstance(call, ast.Call) or ast.unparse(call.func) != "range" or len(call.args) != 1:
            raise TypeError("a loop is over range(end)")
        end = self.expression(call.args[0])
        if end.kind not in SIGNED or not isinstance(node.target, ast.Name):
            raise TypeError("range is of int32 or int64")
        b, counter = self.builder, f"{node.target.id} of line {node.lineno}"
        self._set(counter, number(end.kind, 0))

        def count() -> Typed:
            found = self.read(counter)
            assert found is not None
            return found

        def body() -> None:
            assert isinstance(node.target, ast.Name)
            self._set(node.target.id, count())
            self.block(node.body)

        def advance() -> None:
            self._set(counter, converted(b, binary(b, ast.Add(), count(), number(end.kind, 1)), end.kind))

        self._loop(lambda: compared(b, ast.Lt(), count(), end).value, body, advance)

    def _loop(self, test: Callable[[], Any], body: Callable[[], None], advance: Callable[[], None]) -> None:
        """The condition is asked before the first round and at the end of each."""
        b = self.builder
        first, again, after = (b.append_basic_block() for _ in range(3))
        b.cbranch(test(), first, after)
        loop = _Loop(dict(self._names), again)
        self._loops.append(loop)
        b.position_at_end(first)
        body()
        if not b.block.is_terminated:
            loop.ends.append(self._names)
            b.branch(again)
        b.position_at_end(again)
        self._names = _met(loop.ends)
        if loop.ends:
            advance()
            b.cbranch(test(), first, after)
        else:
            b.unreachable()
        self._loops.pop()
        b.position_at_end(after)
        changed = {n for n, v in loop.before.items() if any(end[n] is not v for end in loop.ends)}
        if changed & loop.read:
            raise TypeError(f"{', '.join(sorted(changed & loop.read))} is of another type in the next round")
        self._names = _met([loop.before, *loop.ends])


def _met(ways: Sequence[Names]) -> Names:
    """The names after ways that meet."""
    found: Names = {}
    for names in ways:
        for name, variable in names.items():
            if found.setdefault(name, variable) is not variable:
                found[name] = None
    return found
