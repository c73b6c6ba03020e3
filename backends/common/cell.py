"""What a `cell` computes: rows times units, where tensors may be several units wide, the gates of a recurrent layer.

The body of a fused node of kind "cell", with N rows and U units:

    matmul        or none: [N, K] x [K, G*U], both factors inputs of the body
    elementwise   ops on [N, G*U], of any G, with operands that broadcast to it
    slice, slice_grad, concat along axis 1, by whole multiples of U
    free nodes    numbers, broadcasts, and reshapes that only add or remove dims of size 1

So a unit of a row needs nothing but the same unit of other gates and tensors: all of it stays in registers. Reading a
body makes a list of instructions for one unit; `sum` is what the product comes to for a gate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import gcd

from netlang.backends.common.nest import Instruction
from netlang.backends.common.scalars import SCALAR_OPS
from netlang.ir.dims import Dim, size
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.opdef import opdef
from netlang.ir.types import DType
from netlang.passes.partition import is_free, source

KIND = "cell"
MOST_GATES = 8
TYPES = frozenset({DType.F32, DType.BOOL, DType.I32, DType.I64})
MOVES = frozenset({"slice", "slice_grad", "concat"})
_ZERO = -1
"""In the place of an instruction: a number that is nothing but 0, outside of what a slice's gradient holds."""


@dataclass(frozen=True)
class CellOperand:
    """A tensor that is read or written: one number per unit if `units`, per row if `rows`."""

    dtype: str
    rows: bool
    units: bool


@dataclass(frozen=True)
class CellCode:
    """The structure of a cell but for its product. Instructions are those of nests, and `sum` of the attribute `gate`;
    `load` and `number` count operands and run-time sizes in order."""

    loads: tuple[CellOperand, ...]
    instructions: tuple[Instruction, ...]
    stores: tuple[tuple[CellOperand, int], ...]

    @property
    def sums(self) -> int:
        """How many gates the product has."""
        return 1 + max((i.attr("gate") for i in self.instructions if i.op == "sum"), default=-1)


@dataclass(frozen=True)
class Part:
    """Where an operand begins in its tensor, and how far apart its rows are, in elements."""

    value: Value
    start: int
    pitch: int


@dataclass
class Cell:
    """A cell as it is read off a body: the parts of tensors belong to the operands of `code` in order."""

    main: Node | None
    rows: Dim
    units: int
    code: CellCode
    loads: list[Part]
    stores: list[Part]
    numbers: list[Dim]


def units_of(nodes: Iterable[Node]) -> int:
    """The most units that all these nodes' tensors are multiples of; 0 where that cannot be said."""
    found = 0
    for node in nodes:
        if node.op in MOVES:
            found = gcd(found, *_cuts(node))
        elif not is_free(node) and node.op != "input":
            width = node.out.shape[-1] if node.out.rank == 2 else 0
            found = gcd(found, width if isinstance(width, int) else 0)
    return found


def _cuts(node: Node) -> list[int]:
    """The widths and places at which a node cuts its tensors, along axis 1."""
    widths = [v.shape[1] for v in (*node.inputs, *node.results)]
    start = node.attrs.get("start", 0)
    return [w if isinstance(w, int) else 1 for w in (*widths, start)]


def may_join(node: Node, rows: Dim, units: int) -> bool:
    """Whether a node can be part of a cell of so many rows and units."""
    out = node.out
    if out.rank != 2 or len(node.results) > 1 or any(v.dtype not in TYPES for v in (*node.inputs, out)):
        return False
    width = out.shape[1]
    if out.shape[0] != rows or not isinstance(width, int) or width % units or width > MOST_GATES * units:
        return False
    if node.op in MOVES:
        alike = all(v.shape[0] == rows for v in node.inputs)
        step = node.attrs.get("step", 1)
        return alike and node.attrs["axis"] == 1 and step == 1 and all(cut % units == 0 for cut in _cuts(node))
    if node.op not in SCALAR_OPS or "elementwise" not in opdef(node.op).traits or node.op == "pow":
        return False
    return all(_pattern(v) is not None for v in node.inputs)


def _pattern(value: Value) -> tuple[Value, bool, bool] | None:
    """(what a value is a view of, whether it varies with rows, with units); None where that is not all it does."""
    shape = (1,) * (2 - value.rank) + tuple(value.shape)
    if len(shape) != 2:
        return None
    rows, units = shape[0] != 1, shape[1] != 1
    while is_free(value.node) and value.node.inputs:
        source = value.node.inputs[0]
        if value.node.op == "broadcast":
            before = (1,) * (2 - source.rank) + tuple(source.shape)
            if len(before) != 2:
                return None
            rows, units = rows and before[0] != 1, units and before[1] != 1
        value = source
    held = size(d for d, varies in zip(shape, (rows, units), strict=True) if varies)
    return (value, rows, units) if size(value.shape) == held else None


def read_cell(body: Graph) -> Cell | None:
    """The cell that a body is; None where it is none."""
    nodes = [n for n in body.nodes if n.op != "input" and not is_free(n)]
    mains = [n for n in nodes if n.op == "matmul"]
    units = units_of(nodes)
    if len(mains) > 1 or not nodes or not units or not all(map(_is_main, mains)):
        return None
    rows = nodes[0].out.shape[0] if nodes[0].out.rank == 2 else 0
    if not all(n in mains or may_join(n, rows, units) for n in nodes) or not all(map(_reads_directly, nodes)):
        return None
    return _Reader(body, mains[0] if mains else None, rows, units).cell()


def is_product(node: Node) -> bool:
    """Whether a node is a product that cells can do."""
    if node.op != "matmul" or node.attrs["transpose_a"]:
        return False
    a, b = node.inputs
    plain = all(v.rank == 2 and v.dtype == DType.F32 for v in (a, b))
    return plain and all(isinstance(d, int) for d in b.shape)


def _is_main(node: Node) -> bool:
    return is_product(node) and all(viewed(v).node.op == "input" for v in node.inputs)


def viewed(value: Value) -> Value:
    """The value whose bytes these are, under another shape."""
    while value.node.op == "reshape":
        value = value.node.inputs[0]
    return value


def _reads_directly(node: Node) -> bool:
    """Whether nothing that the cell makes is read through a broadcast."""
    return all(v == source(v) or source(v).node.op == "input" or is_free(source(v).node) for v in node.inputs)


@dataclass
class _Reader:
    body: Graph
    main: Node | None
    rows: Dim
    units: int
    loads: list[tuple[CellOperand, Part]] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    numbers: list[Dim] = field(default_factory=list)
    known: dict[tuple[Value, int], int] = field(default_factory=dict)

    def cell(self) -> Cell:
        stores: list[tuple[CellOperand, int]] = []
        parts: list[Part] = []
        for _, value in self.body.outputs:
            width = value.shape[1]
            assert isinstance(width, int)
            for gate in range(width // self.units):
                position = self._written(self._at(value, gate), value.dtype)
                stores.append((CellOperand(value.dtype.value, True, True), position))
                parts.append(Part(value, gate * self.units, width))
        loads = tuple(operand for operand, _ in self.loads)
        code = CellCode(loads, tuple(self.instructions), tuple(stores))
        return Cell(self.main, self.rows, self.units, code, [p for _, p in self.loads], parts, self.numbers)

    def _add(self, op: str, dtype: str, inputs: tuple[int, ...] = (), /, **attrs: object) -> int:
        made = Instruction(op, dtype, inputs, tuple(sorted(attrs.items())))
        if made not in self.instructions:
            self.instructions.append(made)
        return self.instructions.index(made)

    def _written(self, position: int, dtype: DType) -> int:
        """An instruction; one for a plain 0 too."""
        return self._add("constant", dtype.value, value=0) if position == _ZERO else position

    def _at(self, value: Value, gate: int) -> int:
        """The instruction for one gate of a value of the body, after those it needs."""
        stack = [(value, gate)]
        while stack:
            key = stack[-1]
            needs = [] if key in self.known else [k for k in self._needs(*key) if k not in self.known]
            if needs:
                stack += reversed(needs)
                continue
            stack.pop()
            if key not in self.known:
                self.known[key] = self._made(*key)
        return self.known[value, gate]

    def _needs(self, value: Value, gate: int) -> list[tuple[Value, int]]:
        node, units = value.node, self.units
        if node.op in ("input", "matmul") or is_free(node):
            return []
        if node.op == "slice":
            return [(node.inputs[0], gate + node.attrs["start"] // units)]
        if node.op == "slice_grad":
            inner = gate - node.attrs["start"] // units
            return [(node.inputs[0], inner)] if 0 <= inner < _gates(node.inputs[0], units) else []
        if node.op == "concat":
            for part in node.inputs:
                if gate < _gates(part, units):
                    return [(part, gate)]
                gate -= _gates(part, units)
        return [(v, gate if v.rank and v.shape[-1] != 1 else 0) for v in node.inputs]

    def _made(self, value: Value, gate: int) -> int:
        node = value.node
        if node.op == "matmul":
            return self._add("sum", "f32", gate=gate)
        if node.op == "input" or is_free(node):
            return self._leaf(value, gate)
        needs = [self.known[key] for key in self._needs(value, gate)]
        if node.op in MOVES:
            return needs[0] if needs else _ZERO
        if node.op == "add" and _ZERO in needs:
            return needs[1] if needs[0] == _ZERO else needs[0]
        inputs = tuple(self._written(at, v.dtype) for at, v in zip(needs, node.inputs, strict=True))
        attrs = {k: v.value if isinstance(v, DType) else v for k, v in node.attrs.items()}
        return self._add(node.op, node.out.dtype.value, inputs, **attrs)

    def _leaf(self, value: Value, gate: int) -> int:
        """A tensor from outside, or a number."""
        pattern = _pattern(value)
        assert pattern is not None
        source, rows, units = pattern
        dtype = source.dtype
        if source.node.op == "const":
            number = source.node.attrs["value"].item()
            return self._add("constant", dtype.value, value=float(number) if dtype.is_float else number)
        if source.node.op == "extent":
            if source.node.attrs["dim"] not in self.numbers:
                self.numbers.append(source.node.attrs["dim"])
            return self._add("number", dtype.value, number=self.numbers.index(source.node.attrs["dim"]))
        width = value.shape[-1] if units else 1
        assert isinstance(width, int)
        load = CellOperand(dtype.value, rows, units), Part(source, gate * self.units if units else 0, width)
        if load not in self.loads:
            self.loads.append(load)
        return self._add("load", dtype.value, operand=self.loads.index(load))


def _gates(value: Value, units: int) -> int:
    width = value.shape[1]
    assert isinstance(width, int)
    return width // units
