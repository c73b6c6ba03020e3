"""Lowering: from nodes to steps, by a table of functions that kernel modules fill.

A step is one kernel with its arguments. Arguments are symbolic until sizes are known: tensors and scratch stand for
addresses, dims for numbers. A lowering says what to call, never where memory is or how many threads there are.

    @lowering("conv", priority=10, match=tile_fits)
    def direct_conv(context: LoweringContext, node: Node) -> list[Step]: ...

The name is an op's, or `fused.<kind>` for a fused node. Among the lowerings of a name the highest priority whose
`match(context, node)` holds is taken. Modules of `netlang.backends.cpu.kernels` register theirs by being there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from netlang import config
from netlang.backends.base import Options
from netlang.backends.cpu.choices import Candidate, Choices, cheapest
from netlang.backends.cpu.kernel import Kernel
from netlang.backends.cpu.target import Target
from netlang.diagnostics import error
from netlang.ir.dims import Dim, Shape, Sym, evaluate, size
from netlang.ir.graph import Graph, Node, Value, topological
from netlang.ir.types import DType, TensorType
from netlang.passes.memory import VIEWS

Sizes = Mapping[str, int]
Number = Dim | Callable[[Sizes], int]
"""A size: a symbolic dim, or a function of the sizes where a dim cannot say it (chunk counts, minima)."""


def evaluated(number: Number, sizes: Sizes) -> int:
    """What a size is for these sizes. Raises KeyError where it depends on one that is not given."""
    return evaluate(number, sizes) if isinstance(number, int | Sym) else number(sizes)


@dataclass(frozen=True, eq=False)
class Scratch:
    """Working memory of one node, 64-byte aligned, undefined at first, shared by all threads."""

    bytes: Number


Buffer = Value | Scratch


@dataclass(frozen=True)
class At:
    """An address inside a buffer: `offset` bytes after its start."""

    buffer: Buffer
    offset: Number

    def further(self, bytes: Number) -> At:
        """So many bytes after this address."""
        before = self.offset
        if isinstance(before, int | Sym) and isinstance(bytes, int | Sym):
            return At(self.buffer, before + bytes)
        return At(self.buffer, lambda sizes: evaluated(before, sizes) + evaluated(bytes, sizes))


@dataclass(frozen=True, eq=False)
class Loop:
    """Steps that are carried out over and over: those that name it, which are neighbours, in each of its rounds."""

    rounds: Number


@dataclass(frozen=True)
class Moving:
    """An address that is another one in every round of a loop: `at[0]`, `at[1]`, `at[2]`, and from then on `stride`
    bytes further than two rounds before. It may never be read past the last round. There are `bytes` bytes at each.

    The places may move with loops around that loop, but not with the loop itself.
    """

    loop: Loop
    at: tuple[Place, Place, Place]
    stride: Number
    bytes: Number


Place = Value | Scratch | At | Moving
Arg = Place | Dim | Callable[[Sizes], int]


@dataclass(frozen=True)
class Step:
    """One kernel call. Steps are carried out in order; all threads finish one before any starts the next.

    args        the int64 table that the kernel gets: an address per tensor or scratch, a number per dim
    writes      the buffers among `args` that the kernel writes; all others are only read. A step whose reads are
                all parameters and constants is done once per set of parameters instead of once per call.
    work        about how many elementary operations (or elements moved) it takes: decides on the use of threads
    parallel    False: the kernel ignores `tid` and must be run by one thread
    loops       the loops that it is a step of, the outermost first
    """

    kernel: Kernel
    args: tuple[Arg, ...]
    writes: tuple[Buffer, ...]
    work: Number
    parallel: bool = True
    loops: tuple[Loop, ...] = ()


def places(step: Step) -> list[Place]:
    """The addresses among a step's arguments."""
    return [arg for arg in step.args if isinstance(arg, Value | Scratch | At | Moving)]


def further(place: Place, bytes: Number) -> Place:
    """So many bytes after a place."""
    if isinstance(place, Moving):
        first, second, third = (further(p, bytes) for p in place.at)
        return replace(place, at=(first, second, third))
    return (place if isinstance(place, At) else At(place, 0)).further(bytes)


def bases(place: Place) -> list[Buffer]:
    """The buffers that a place is in: one, or all that it moves through."""
    if isinstance(place, Moving):
        return list(dict.fromkeys(b for p in place.at for b in bases(p)))
    return [place.buffer if isinstance(place, At) else place]


@dataclass(frozen=True)
class Slice:
    """Where a value is that has no memory of its own: some channels of `whole`, a value that is no slice itself.

    start    elements from the start of `whole` to the value's first one
    pitch    elements from an image (an index of the first axis) to the next, those of `whole`
    """

    whole: Value
    start: Dim
    pitch: Dim


@dataclass(eq=False)
class LoweringContext:
    """What a lowering may ask for. One context serves one graph; `scratches` collects requests by node."""

    graph: Graph
    target: Target
    slices: dict[Value, Slice] = field(default_factory=dict)
    """Values of the graph that are slices of others. Only kernels that ask for `image_bytes` meet them."""
    scratches: dict[Node, list[Scratch]] = field(default_factory=dict)
    lives: dict[Scratch, tuple[int, int]] = field(default_factory=dict)
    """From which to which of its node's steps a scratch is needed, where they do not all exist at once."""
    packed: dict[tuple[Node | None, Buffer, Hashable], Scratch] = field(default_factory=dict)
    """By node, buffer and how: what has been packed already for steps of that node."""
    aliases: dict[Value, Buffer] = field(default_factory=dict)
    """Where values of a fused body live when the body is lowered op by op."""
    in_place: dict[Node, set[int]] = field(default_factory=dict)
    """Nodes of the graph whose result may be written over these inputs (by position), if of the same type."""
    owner: Node | None = None
    """The node of `graph` that is being lowered, also while the ops of its body are."""
    options: Options = field(default_factory=Options)
    choices: Choices = field(default_factory=Choices)

    def pick(self, kind: str, candidates: Sequence[Candidate]) -> str:
        """The candidate to take for the node being lowered: see `choices`."""
        if self.owner is None:
            return cheapest(candidates)
        return self.choices.pick(self.graph, self.owner, kind, candidates)

    @property
    def exact(self) -> bool:
        """Whether only algorithms that round as little as the plain sum may be chosen."""
        return self.options.exact or bool(config.get("NETLANG_EXACT"))

    @property
    def weight_bytes(self) -> int:
        """Of a float32 weight that `is_fixed`, in the memory of a kernel that can widen it: 2 is bfloat16."""
        return (self.options.weights_as or DType.F32).size

    def is_fixed(self, buffer: Buffer) -> bool:
        """Whether packing this is done once for many calls: a parameter, or what follows from parameters alone."""
        return isinstance(buffer, Value) and not self.graph.updates and follows_from_params(buffer)

    def scratch(self, bytes: Number) -> Scratch:
        """Working memory for the node being lowered."""
        made = Scratch(bytes)
        assert self.owner is not None
        self.scratches.setdefault(self.owner, []).append(made)
        return made

    def buffer(self, value: Value) -> Buffer:
        """Where a value lives: itself, or what a value of a fused body stands for."""
        return self.aliases.get(value, value)

    def storage(self, value: Value) -> Value:
        """The value whose bytes these are: a reshape is a view, a slice lies in its whole."""
        root = storage(value)
        return self.slices[root].whole if root in self.slices else root

    def start(self, buffer: Buffer) -> Dim:
        """Bytes from the start of a buffer's storage to its first element."""
        found = self.slices.get(storage(buffer)) if isinstance(buffer, Value) else None
        return found.start * found.whole.dtype.size if found else 0

    def image_elements(self, buffer: Buffer, type: TensorType) -> Dim:
        """Elements from one index of the first axis to the next, of a tensor of `type` that is in `buffer`."""
        if isinstance(buffer, Value) and buffer in self.slices:
            return self.slices[buffer].pitch
        return size(stored_shape(type)[1:])

    def image_bytes(self, buffer: Buffer, type: TensorType) -> Dim:
        """The same in bytes."""
        return self.image_elements(buffer, type) * type.dtype.size

    def allow_in_place(self, *inputs: int) -> None:
        """Say that the node being lowered reads each element of these inputs before it writes it, and never again."""
        assert self.owner is not None
        self.in_place.setdefault(self.owner, set()).update(inputs)

    def storage_bytes(self, type: TensorType) -> Number:
        """Bytes that a tensor takes in memory, the padding of its layout included."""
        return storage_bytes(type)

    def lower(self, node: Node) -> list[Step]:
        """The steps of `node`. Raises NetError where nothing can carry it out."""
        return lower(self, node)


def storage_bytes(type: TensorType) -> Dim:
    """Bytes of a tensor in memory."""
    return size(stored_shape(type)) * type.dtype.size


def stored_shape(type: TensorType) -> Shape:
    """The shape with the padding of the layout: `c16` holds channels (axis 1) in blocks of 16, the last one padded."""
    block = block_of(type)
    if not block:
        return type.shape
    n, channels, *spatial = type.shape
    return (n, (channels + (block - 1)) // block * block, *spatial)


def block_of(type: TensorType) -> int:
    """Channels of a block of the layout; 0 for plain tensors."""
    if type.layout and not type.layout.startswith("c"):
        raise ValueError(f"unknown layout {type.layout}")
    return int(type.layout[1:]) if type.layout else 0


def storage(value: Value) -> Value:
    """The value that a value is a view of: a reshape has its input's bytes."""
    while value.node.op in VIEWS:
        value = value.node.inputs[0]
    return value


def follows_from_params(value: Value) -> bool:
    """Whether a value is the same in every call with the same parameters."""
    return all(node.inputs or node.op in ("param", "const") for node in topological((value,)))


Lowering = Callable[[LoweringContext, Node], Sequence[Step]]
Match = Callable[[LoweringContext, Node], bool]


@dataclass(frozen=True)
class Sliceable:
    """The inputs and results of a node, by position, that its kernels find by `image_bytes`: they may be slices."""

    inputs: Collection[int] = ()
    results: Collection[int] = ()


SliceRule = Callable[[LoweringContext, Node], Sliceable]


@dataclass(frozen=True)
class _Entry:
    priority: int
    match: Match
    lower: Lowering
    slices: SliceRule


_TABLE: dict[str, list[_Entry]] = {}


def _always(context: LoweringContext, node: Node) -> bool:
    return True


def _no_slices(context: LoweringContext, node: Node) -> Sliceable:
    return Sliceable()


def lowering(
    *names: str, priority: int = 0, match: Match = _always, slices: SliceRule = _no_slices
) -> Callable[[Lowering], Lowering]:
    """Register the decorated function as a way to carry out the ops (or `fused.<kind>`) called `names`; `slices` says
    which tensors of a node may be slices of others."""

    def register(function: Lowering) -> Lowering:
        for name in names:
            entries = _TABLE.setdefault(name, [])
            entries.append(_Entry(priority, match, function, slices))
            entries.sort(key=lambda e: -e.priority)
        return function

    return register


def lowering_name(node: Node) -> str:
    """The table's name for a node: its op, or `fused.<kind>`."""
    return f"fused.{node.attrs['kind']}" if node.op == "fused" else node.op


def _entry(context: LoweringContext, node: Node) -> _Entry | None:
    """The best lowering that matches."""
    entries = _TABLE.get(lowering_name(node), []) + _TABLE.get(node.op if node.op == "fused" else "", [])
    return next((entry for entry in entries if entry.match(context, node)), None)


def sliceable(context: LoweringContext, node: Node) -> Sliceable:
    """Which tensors of a node may be slices of others, by the lowering that will carry it out."""
    context.owner = node
    entry = _entry(context, node)
    return entry.slices(context, node) if entry else Sliceable()


def lower(context: LoweringContext, node: Node) -> list[Step]:
    """The steps that carry out `node`, from the best lowering that matches. Raises NetError if there is none."""
    entry = _entry(context, node)
    if entry is not None:
        return list(entry.lower(context, node))
    types = ", ".join(str(v.type) for v in node.inputs)
    raise error(f"the cpu backend cannot carry out {lowering_name(node)} on ({types})", *node.spans)
