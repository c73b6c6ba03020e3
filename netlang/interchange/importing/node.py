"""An ONNX graph as plain Python: nodes in an order in which they can be carried out, attributes as values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from netlang.diagnostics import NetError
from netlang.interchange.proto import array_of, brief, onnx_package
from netlang.runtime.ports import Array

_DEEPEST = 20
"""Graphs inside graphs."""


@dataclass(frozen=True)
class Port:
    """An input or output of a graph: its element type as ONNX numbers them (0: not said), its sizes (None: unknown
    rank; a text names a size, "" one without a name)."""

    name: str
    dtype: int
    dims: tuple[int | str, ...] | None


@dataclass(frozen=True, eq=False)
class Node:
    """One operator applied. An input or output that was left out is ""; `read` are the outputs that something
    reads of what the graph is to answer."""

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    number: int
    read: frozenset[str] = frozenset()

    def __str__(self) -> str:
        called = self.name or next((o for o in self.outputs if o), "")
        return f"node {self.number} '{brief(called)}' ({brief(self.operator)})"

    @property
    def operator(self) -> str:
        """The operator with its domain."""
        return f"{self.domain}.{self.op}" if self.domain else self.op


@dataclass(frozen=True, eq=False)
class OnnxGraph:
    """A graph; `constants` are its initialisers, `proto` the GraphProto that it was."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Array] = field(default_factory=dict)
    proto: Any = None

    def made(self) -> Iterator[str]:
        """The names of its constants and of what its nodes make."""
        yield from self.constants
        for node in self.nodes:
            yield from filter(None, node.outputs)

    def everything(self) -> Iterator[Node]:
        """All nodes, also those of graphs inside."""
        for node in self.nodes:
            yield node
            for value in node.attributes.values():
                if isinstance(value, OnnxGraph):
                    yield from value.everything()

    def with_batch(self, size: int) -> OnnxGraph:
        """The same graph, with a number as the first size of every input."""
        inputs = (p if not p.dims else replace(p, dims=(size, *p.dims[1:])) for p in self.inputs)
        return replace(self, inputs=tuple(inputs))


def graph_of(proto: Any, folder: Path | None, around: frozenset[str] = frozenset(), level: int = 0) -> OnnxGraph:
    """A GraphProto as a graph; `around` are names of values that it can see besides its own. Raises NetError."""
    if level > _DEEPEST:
        raise NetError(f"the ONNX file has graphs in graphs, more than {_DEEPEST} deep")
    if proto.sparse_initializer:
        raise NetError("the ONNX file has sparse initialisers", hint="make them dense before exporting the model")
    constants = {t.name: array_of(t, folder) for t in proto.initializer}
    inputs = tuple(_port(i, level) for i in proto.input if i.name not in constants)
    own = [*(t.name for t in proto.initializer), *(i.name for i in inputs)]
    known = around | {*own}
    if "" in known:
        raise NetError("an input or initialiser has no name")
    if len({*own}) != len(own):
        name, _ = Counter(own).most_common(1)[0]
        raise NetError(f"two inputs or initialisers are called '{brief(name)}'")
    visible = known.union(o for n in proto.node for o in n.output if o)
    nodes = [_node(n, number, folder, visible, level) for number, n in enumerate(proto.node)]
    outputs = tuple(_port(o, level) for o in proto.output)
    ordered = _with_readers(_ordered(nodes, proto.output, known), {o.name for o in proto.output})
    return OnnxGraph(proto.name, inputs, outputs, ordered, constants, proto)


def _port(info: Any, level: int) -> Port:
    """An input or output; those of graphs inside may be sequences, of which nothing is said."""
    tensor = info.type.tensor_type
    kind = info.type.WhichOneof("value")
    if kind not in (None, "tensor_type"):
        if level:
            return Port(info.name, 0, None)
        raise NetError(f"'{brief(info.name)}' is no tensor but {kind}, which netlang has not")
    if not tensor.HasField("shape"):
        return Port(info.name, tensor.elem_type, None)
    sizes = [d.dim_value if d.HasField("dim_value") else d.dim_param for d in tensor.shape.dim]
    return Port(info.name, tensor.elem_type, tuple(sizes))


def _node(proto: Any, number: int, folder: Path | None, visible: frozenset[str], level: int) -> Node:
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    attributes = {}
    for a in proto.attribute:
        if a.name in attributes:
            place = f"node {number} '{brief(proto.name)}' ({brief(proto.op_type)})"
            raise NetError(f"{place} has the attribute '{brief(a.name)}' twice")
        if a.ref_attr_name:
            raise NetError(f"the attribute '{brief(a.name)}' is one of a function, which is not around it")
        attributes[a.name] = _attribute(a, folder, visible, level)
    inputs = [*proto.input]
    if (domain, proto.op_type) == ("ai.onnx.preview.training", "Gradient"):
        inputs.append(str(attributes.get("y", "")))  # named by an attribute, but read like any other
    return Node(proto.op_type, domain, proto.name, tuple(inputs), tuple(proto.output), attributes, number)


def _attribute(proto: Any, folder: Path | None, visible: frozenset[str], level: int) -> Any:
    """Numbers, texts, arrays and graphs, and tuples of numbers or texts."""
    kinds = onnx_package().AttributeProto
    match proto.type:
        case kinds.INT:
            return int(proto.i)
        case kinds.FLOAT:
            return float(proto.f)
        case kinds.STRING:
            return proto.s.decode("utf-8", "replace")
        case kinds.INTS:
            return tuple(int(i) for i in proto.ints)
        case kinds.FLOATS:
            return tuple(float(f) for f in proto.floats)
        case kinds.STRINGS:
            return tuple(s.decode("utf-8", "replace") for s in proto.strings)
        case kinds.TENSOR:
            return array_of(proto.t, folder)
        case kinds.TYPE_PROTO:
            return proto.tp
        case kinds.GRAPH:
            return graph_of(proto.g, folder, visible, level + 1)
    name = kinds.AttributeType.Name(proto.type) if proto.type in kinds.AttributeType.values() else proto.type
    raise NetError(f"the attribute '{brief(proto.name)}' is of a kind that netlang has not: {name}")


def _ordered(nodes: Sequence[Node], outputs: Any, known: frozenset[str]) -> tuple[Node, ...]:
    """Every node after those it reads from, otherwise as in the file. Raises NetError for cycles and unknown names."""
    maker: dict[str, Node] = {}
    for node in nodes:
        for name in filter(None, node.outputs):
            if name in maker or name in known:
                raise NetError(f"{node}: there is a value '{brief(name)}' already")
            maker[name] = node
    for output in outputs:
        if output.name not in maker and output.name not in known:
            raise NetError(f"nothing makes the output '{brief(output.name)}'")
    done: set[int] = set()
    order: list[Node] = []
    for start in nodes:
        _visit(start, maker, known, done, order)
    return tuple(order)


def _visit(start: Node, maker: Mapping[str, Node], known: frozenset[str], done: set[int], order: list[Node]) -> None:
    """Depth first, without recursion: what `start` needs, then `start`."""
    if start.number in done:
        return
    path: list[tuple[Node, Iterator[str]]] = [(start, _reads(start, known))]
    open_now = {start.number: start}
    while path:
        node, rest = path[-1]
        for name in rest:
            before = maker.get(name)
            if before is None:
                raise NetError(f"{node} reads '{brief(name)}', which nothing makes")
            if before.number in open_now:
                ring = [str(n) for n, _ in path if n.number in open_now]
                raise NetError("the graph has a cycle: " + " -> ".join([*ring[-6:], str(before)]))
            if before.number not in done:
                open_now[before.number] = before
                path.append((before, _reads(before, known)))
                break
        else:
            path.pop()
            del open_now[node.number]
            done.add(node.number)
            order.append(node)


def _with_readers(nodes: Sequence[Node], read: set[str]) -> tuple[Node, ...]:
    """Nodes in their order, told which of their outputs anything reads that `read`, the outputs, depend on."""
    found: list[Node] = []
    for node in reversed(nodes):
        wanted = frozenset(o for o in node.outputs if o in read)
        found.append(replace(node, read=wanted))
        if wanted:
            read.update(names_read(node))
    return tuple(reversed(found))


def _reads(node: Node, known: frozenset[str]) -> Iterator[str]:
    """What a node, with the graphs inside it, reads of values that nodes beside it make."""
    return iter([n for n in names_read(node) if n and n not in known])


def names_read(node: Node) -> list[str]:
    """The names that a node reads, with those that graphs inside it do."""
    return [*node.inputs, *(n for g in node.attributes.values() if isinstance(g, OnnxGraph) for n in free(g))]


def free(graph: OnnxGraph) -> list[str]:
    """The names of values around a graph that it reads, each once."""
    own = {*graph.constants, *(i.name for i in graph.inputs), *(o for n in graph.nodes for o in n.outputs)}
    found: dict[str, None] = {}
    for node in graph.nodes:
        inner = [n for g in node.attributes.values() if isinstance(g, OnnxGraph) for n in free(g)]
        found.update(dict.fromkeys(n for n in (*node.inputs, *inner) if n and n not in own))
    found.update(dict.fromkeys(o.name for o in graph.outputs if o.name not in own))
    return list(found)
