"""Sums over the steps of a scan: the gradients by its constants.

a step adds                                    the sum over all steps
matmul(a[t], b[t], transpose_a)                matmul(A, B, transpose_a)     A: [T, K, M] as one [T*K, M]
reduce_sum(a[t]), where A is there anyway      reduce_sum(A), over the steps too
reshape(u), transpose(u), u + v, -u, ...       the same of the sums of u and v
anything else                                  a state of the backward scan, added to in every step
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from netlang.ir.build import Builder
from netlang.ir.dims import Dim
from netlang.ir.graph import Node, Value

Stacks = Mapping[Value, Value]
Total = Callable[[Stacks, Sequence[Value]], Value]
"""(stacks of values of a step, last values of the running sums) -> a sum over all steps."""

_LINEAR = frozenset({"reshape", "transpose", "neg", "slice", "slice_grad", "reverse", "reduce_sum", "cast"})
"""Ops that the sum over the steps may go through; shapes and attributes stay."""


class Sums:
    """The sums of `terms`, values of a step or None.

    wanted    values of a step whose stacks the sums are made from
    so_far    inputs that stand for running sums, `added` what a step makes of them
    """

    def __init__(
        self,
        make: Builder,
        length: Dim,
        terms: Sequence[Value | None],
        may_stack: bool,
        is_per_step: Callable[[Value], bool],
    ) -> None:
        self.make, self.length, self.may_stack = make, length, may_stack
        self._is_per_step = is_per_step
        self._factors = _factors(terms) if may_stack else frozenset()
        self.wanted: list[Value] = []
        self.so_far: list[Value] = []
        self.added: list[Value] = []
        self._totals = [None if term is None else self._sum(term) for term in terms]

    def totals(self, stacks: Stacks, sums: Sequence[Value]) -> list[Value | None]:
        """The sums over all steps, once the stacks and the last running sums are there."""
        return [None if total is None else total(stacks, sums) for total in self._totals]

    def _sum(self, term: Value) -> Total:
        node = term.node
        if self.may_stack:
            if node.op == "add" and all(v.type == term.type for v in node.inputs):
                left, right = map(self._sum, node.inputs)
                return lambda stacks, sums: self.make.add(left(stacks, sums), right(stacks, sums))
            if _is_product(term) and all(map(self._is_per_step, node.inputs)):
                return self._product(term)
            if node.op == "reduce_sum" and _base(node.inputs[0]) in self._factors:
                return self._reduction(term)
            if node.op in _LINEAR and _is_worthwhile(term):
                inner = self._sum(node.inputs[0])
                return lambda stacks, sums: self.make.op(node.op, inner(stacks, sums), **node.attrs)
        return self._running(term)

    def _running(self, term: Value) -> Total:
        place = len(self.so_far)
        self.so_far.append(self.make.input(f"sum{place}", term.type))
        self.added.append(self.make.add(self.so_far[place], term))
        return lambda stacks, sums: sums[place]

    def _want(self, value: Value) -> None:
        """Ask for the stack of a value; that of another shape of it does as well."""
        if _base(value) not in self.wanted:
            self.wanted.append(_base(value))

    def _stack(self, stacks: Stacks, value: Value) -> Value:
        if value.node.op != "reshape":
            return stacks[value]
        return self.make.reshape(self._stack(stacks, value.node.inputs[0]), (self.length, *value.shape))

    def _reduction(self, term: Value) -> Total:
        (x,), attrs = term.node.inputs, term.node.attrs
        self._want(x)
        axes, make = (0, *(a + 1 for a in attrs["axes"])), self.make.like(term.node)

        def total(stacks: Stacks, sums: Sequence[Value]) -> Value:
            return make.reshape(make.op("reduce_sum", self._stack(stacks, x), axes=axes), term.shape)

        return total

    def _product(self, term: Value) -> Total:
        for value in term.node.inputs:
            self._want(value)
        rule, make = _PRODUCTS[term.node.op], self.make.like(term.node)
        return lambda stacks, sums: rule(make, term.node, *(self._stack(stacks, v) for v in term.node.inputs))


def _matmul(make: Builder, node: Node, a: Value, b: Value) -> Value:
    first, second = node.attrs["transpose_a"], node.attrs["transpose_b"]
    return make.op("matmul", _long(make, a, 0 if first else 1), _long(make, b, 1 if second else 0), **node.attrs)


def _long(make: Builder, stack: Value, contracted: int) -> Value:
    """A stack of matrices as one matrix, side by side along the axis that is summed over."""
    steps, rows, columns = stack.shape
    if contracted == 0:
        return make.reshape(stack, (steps * rows, columns))
    return make.reshape(make.op("transpose", stack, perm=(1, 0, 2)), (rows, steps * columns))


def _convolution(make: Builder, node: Node, x: Value, dy: Value) -> Value:
    """The samples of all steps are one batch."""
    batches = (make.reshape(v, (v.shape[0] * v.shape[1], *v.shape[2:])) for v in (x, dy))
    return make.op("conv_weight_grad", *batches, **node.attrs)


def _lookup(make: Builder, node: Node, updates: Value, indices: Value) -> Value:
    return make.op("scatter_add", updates, indices, **node.attrs)


_PRODUCTS: Mapping[str, Callable[[Builder, Node, Value, Value], Value]] = {
    "matmul": _matmul,
    "conv_weight_grad": _convolution,
    "scatter_add": _lookup,
}
"""(builder, node of a step, the stacks of its two inputs) -> the sum of the node's results over all steps."""


def _is_product(term: Value) -> bool:
    node = term.node
    if node.op == "matmul":
        return all(v.rank == 2 for v in node.inputs)
    return node.op == "conv_weight_grad" or (node.op == "scatter_add" and node.attrs["axis"] == 0)


def _base(value: Value) -> Value:
    """What a value is another shape of."""
    while value.node.op == "reshape":
        value = value.node.inputs[0]
    return value


def _is_worthwhile(term: Value) -> bool:
    """Whether something below is summed in another way than by a state, which had better be small."""
    value = term
    while value.node.op in _LINEAR:
        value = value.node.inputs[0]
    return value.node.op == "add" or _is_product(value)


def _factors(terms: Sequence[Value | None]) -> Collection[Value]:
    """The factors of all products that are summed."""
    found: set[Value] = set()
    waiting = [term for term in terms if term is not None]
    while waiting:
        value = waiting.pop()
        if _is_product(value):
            found.update(map(_base, value.node.inputs))
        elif value.node.op == "add" or value.node.op in _LINEAR:
            waiting += value.node.inputs
    return found
