"""What a lowering may ask for: memory, storages and their layout, choices, and what its backend does its own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Self

from netlang import config
from netlang.backends.base import Options
from netlang.backends.common.choices import NO_SIZES, Candidate, Choices, cheapest
from netlang.backends.common.steps import Buffer, Number, Place, Scratch, Sizes, Step
from netlang.ir.dims import Dim, Shape, size
from netlang.ir.graph import Graph, Node, Value, topological
from netlang.ir.types import TensorType
from netlang.passes.memory import VIEWS

if TYPE_CHECKING:
    from netlang.backends.common.lowerings import Sliceable
    from netlang.backends.common.nest import Nest


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
class Context(ABC):
    """What a lowering may ask for, but for what depends on the backend, which each adds in a class of its own. One
    context serves one graph; `scratches` collects requests by node."""

    graph: Graph
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

    def pick(
        self, kind: str, candidates: Sequence[Candidate], node: Node | None = None, sizes: Sizes = NO_SIZES
    ) -> str:
        """The candidate to take for the node being lowered, or later for a node when sizes are known: see `choices`."""
        node = node or self.owner
        if node is None:
            return cheapest(candidates)
        return self.choices.pick(self.graph, node, kind, candidates, sizes)

    @property
    def exact(self) -> bool:
        """Whether only algorithms that round as little as the plain sum may be chosen."""
        return self.options.exact or bool(config.get("NETLANG_EXACT"))

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

    def fresh(self) -> Self:
        """A context for the same graph in which nothing has been lowered."""
        kept = ("graph", "options", "choices", *self.own)
        return type(self)(**{name: getattr(self, name) for name in kept})

    # ---- what backends do in their own ways

    own: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that a backend adds and that a fresh context keeps."""

    @property
    @abstractmethod
    def channel_block(self) -> int:
        """Channels side by side in a blocked layout; 0 where the backend has none."""

    @abstractmethod
    def lower(self, node: Node) -> list[Step]:
        """The steps of `node`. Raises NetError where nothing can carry it out."""

    @abstractmethod
    def sliceable(self, node: Node) -> Sliceable:
        """Which tensors of a node may be slices of others, by the lowering that will carry it out."""

    @abstractmethod
    def nest_steps(self, nest: Nest) -> list[Step]:
        """The steps that carry out a loop nest."""

    @abstractmethod
    def writes_in_place(self, nest: Nest, buffer: Buffer) -> bool:
        """Whether the steps of a nest may write its results over `buffer`."""

    @abstractmethod
    def copy_bytes(self, source: Place, target: Place, bytes: Number) -> Step:
        """The step that copies so many bytes between places that do not overlap."""


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
