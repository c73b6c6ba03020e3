"""What a backend is: it turns a graph into something that runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from netlang.diagnostics import NetError
from netlang.ir.graph import Graph, Node
from netlang.ir.types import DType
from netlang.passes.manager import Pass
from netlang.passes.memory import MemoryPlan

Array = NDArray[Any]
Observer = Callable[[Node, tuple[Array, ...]], None]


PRECISIONS = ("float32", "tf32", "bf16", "f16")
"""What factors of a product are rounded to: nothing, 10 bits of mantissa (TF32), 7 (bfloat16), or half precision."""


@dataclass(frozen=True)
class Options:
    """What a user may ask of generated code beyond what the net says. A backend gets them when it is made.

    exact          only algorithms that round as little as the plain sum does: no Winograd transforms
    deterministic  the same bits for any number of threads and whatever was measured on this machine: splits follow
                   from shapes and choices from the model of costs alone. Without it a call gives the same bits again
                   for the same number of threads.
    weights_as     the element type in which weights that never change are kept for dense layers and convolutions;
                   None keeps them as they are
    batch          about how many samples a call brings where the net leaves that open: costs are compared for them.
                   None means one, and a small batch in training. Any number can be computed.
    precision      how products of float32 tensors are computed, always added up in float32: see PRECISIONS
    """

    exact: bool = False
    deterministic: bool = False
    weights_as: DType | None = None
    batch: int | None = None
    precision: str = "float32"

    def in_float32(self, target: str) -> Options:
        """These options, for a target that rounds no factors. Raises NetError where they ask for it."""
        if self.precision != PRECISIONS[0]:
            raise NetError(
                f"target '{target}' computes products in float32, not in {self.precision}",
                hint="other precisions are those of a GPU's tensor cores: target cuda",
            )
        return self


class Executable(Protocol):
    """A compiled graph. Calls from several threads are allowed as long as they do not share `params` with updates."""

    graph: Graph
    """The graph as it is carried out, after the backend's own passes."""

    def run(self, inputs: Mapping[str, Array], params: Mapping[str, Array]) -> dict[str, Array]:
        """One call: outputs by name. `updates` are written into the arrays of `params`, after everything was read;
        where `params` is a `netlang.runtime.parameters.Store`, perhaps not before somebody settles it.

        The caller has checked names, dtypes and shapes, and every array is C-contiguous. Sizes of symbolic dims are
        taken from the input shapes.
        """
        ...

    def freeze(self, params: MutableMapping[str, Array]) -> None:
        """Promise that the parameters never change again: later calls may bring them as this leaves them.

        Those that no call reads any more, such as weights that are packed for a kernel, are dropped from `params`. Not
        for graphs with updates.
        """
        ...

    def planned_bytes(self, sizes: Mapping[str, int]) -> int:
        """Bytes of working memory (activations, gradients, scratch) for these sizes, without weights and inputs."""
        ...


@dataclass(frozen=True)
class StepTime:
    """One step of a compiled graph as it was timed.

    node      whose work it is, a node of the executable's graph
    kernel    algorithm and tile in a few words
    seconds   one for each call
    bytes     of all tensors that it reads or writes, each counted once, and again for each round of a loop
    count     how often a call carries it out: more than once in loops
    """

    node: Node
    kernel: str
    seconds: tuple[float, ...]
    bytes: int
    count: int = 1


@runtime_checkable
class Profiled(Protocol):
    """What an executable may offer besides: times of its steps."""

    threads: int

    def profile(self, inputs: Mapping[str, Array], params: Mapping[str, Array], calls: int) -> list[StepTime]:
        """Run so many times as `run` does, and time every step. `updates` are carried out each time.

        Raises NetError where this machine has no clock for it.
        """
        ...

    def peak(self) -> float:
        """Most floating-point operations a second of all its threads together, measured on this machine now."""
        ...


Report = Callable[[str, float], None]
"""(what is being measured, the part of it that is done)."""


@dataclass(frozen=True)
class TunedLayer:
    """What was measured of a layer: `seconds` by candidate, first the one that the model of costs would take."""

    layer: str
    choice: str
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class Tuning:
    """What was measured, the file in which it is remembered, and whether it was carried to its end."""

    layers: Sequence[TunedLayer]
    place: Path
    whole: bool


@runtime_checkable
class Tunable(Protocol):
    """What a backend may offer besides: choices by measurement, remembered for this machine."""

    def tune(
        self,
        graph: Graph,
        inputs: Mapping[str, Array],
        params: Mapping[str, Array],
        *,
        threads: int | None = None,
        seconds: float,
        report: Report,
    ) -> Tuning:
        """Measure candidates for the layers of a prepared graph, for about so many seconds besides compiling.

        An interrupt (KeyboardInterrupt) ends it early; what was measured till then is remembered. Raises NetError where
        the options rule measured choices out, or nothing can be remembered.
        """
        ...

    def remembered(self, threads: int | None = None) -> tuple[int, Path]:
        """How many choices compilations go by, and the file where choices are kept, which need not be there."""
        ...


@dataclass(frozen=True)
class CodeFigures:
    """What was generated for an architecture: how many kernels; the most registers and bytes of stack that one of them
    takes; bytes that all together spill; bytes of machine code."""

    architecture: str
    kernels: int
    registers: int
    stack: int
    spills: int
    bytes: int


@dataclass(frozen=True)
class AheadOfTime:
    """Code of a graph for machines that need not be this one, as `netlang.runtime.artifact` keeps it.

    content   what a reader has to know of it: texts, whole numbers, truths, lists, objects with texts as keys
    members   bytes by name
    """

    content: Mapping[str, Any]
    members: Mapping[str, bytes]
    figures: tuple[CodeFigures, ...]


@runtime_checkable
class Portable(Protocol):
    """What a backend may offer besides: code for machines that need not be this one."""

    def here(self) -> Sequence[str]:
        """The architectures of the devices of this machine; none where it has none that runs code."""
        ...

    def ahead(self, graph: Graph, architectures: Sequence[str] = ()) -> AheadOfTime:
        """Code of a prepared graph for these architectures, or the usual ones where none are named.

        Raises NetError for an architecture that there is no code for, and as `Backend.compile` does.
        """
        ...


@runtime_checkable
class Adopting(Protocol):
    """What an executable may offer besides: arrays that other libraries have in the memory of its device."""

    def adopt(self, value: Any) -> Any:
        """What `run` takes such an array as, without a copy; it has a `shape` and a `dtype`. None for other values.

        Where a call has one among its inputs, all its outputs are in the memory of the device. Raises NetError for an
        array that is somewhere else, or does not lie in order.
        """
        ...


@dataclass(frozen=True)
class Said:
    """What there is to say of graphs in a file, whatever the backend does with them.

    nets       by name, as `netlang.runtime.artifact.signature` says
    learning   as `netlang.backends.common.learning` says; None where there are no training steps
    weights    the bytes that all have together, in which these two say where parameters are
    source     the hash of the text that all were made of
    """

    nets: Mapping[str, Mapping[str, Any]]
    learning: Mapping[str, Any] | None
    weights: Array
    source: str


@dataclass(frozen=True)
class Deployed:
    """A graph that is to be written into a file.

    key      what it is found by there: a net's name, or `reserved.STEP` and the name of a `train` section
    graph    after the passes that all backends have in common
    """

    key: str
    graph: Graph


@dataclass(frozen=True)
class Request:
    """What is asked of a file.

    machines   kinds of machines to generate code for; none: all that the backend knows
    threads    for how many work is cut up; None: as many as this machine has
    largest    sizes of symbolic dims that are planned for, where code must be told
    store_as   the element type that matrices and filters of float32 are rounded to in the file, f16 or bf16; None
               stores them as they are
    """

    machines: tuple[str, ...] = ()
    threads: int | None = None
    largest: Mapping[str, int] = field(default_factory=dict)
    store_as: DType | None = None


@dataclass(frozen=True)
class Package:
    """What a backend has to say in a file's manifest, of all graphs together and of each by its key, and its members:
    see `netlang.runtime.artifact`."""

    content: Mapping[str, Any]
    graphs: Mapping[str, Mapping[str, Any]]
    members: Mapping[str, Any]


@runtime_checkable
class Packaging(Protocol):
    """What a backend may offer besides: compiled graphs as files."""

    def package(self, graphs: Sequence[Deployed], request: Request) -> Package:
        """Everything that running these graphs takes, but for the weights. Raises NetError for a kind of machine that
        there is not."""
        ...


@dataclass(frozen=True)
class Style:
    """How a shared library is to be.

    name      of its file, which the loader of the system knows it by
    prefix    what the names of its functions begin with
    weights   the name of the file beside it that the weights are in; None: they are in the library
    """

    name: str
    prefix: str = "netlang"
    weights: str | None = None


@dataclass(frozen=True)
class Library:
    """A shared library: its bytes, the text of its C header, and what is in the file beside it if there is one."""

    body: bytes
    header: str
    weights: bytes | None


@runtime_checkable
class Linking(Protocol):
    """What a backend may offer besides: compiled nets as shared libraries with a C interface."""

    def library(self, graphs: Sequence[Deployed], said: Said, request: Request, style: Style) -> Library:
        """Link graphs, the first of which is the net that is meant where none is named.

        Raises NetError where something that it takes is missing, and for a kind of machine that there is not.
        """
        ...


@runtime_checkable
class Placing(Protocol):
    """What a backend may offer besides: layers that the source puts on different devices run on different ones."""

    def places(self) -> int:
        """How many devices there are: with one, such layers may as well be joined."""
        ...


class Backend(Protocol):
    """A target of the compiler, found by name through the driver's table."""

    name: str

    @property
    def passes(self) -> Sequence[Pass]:
        """This backend's own passes (fusion, layout, ...) in order: `prepare`, for those who want to look between."""
        ...

    def prepare(self, graph: Graph) -> Graph:
        """Run `passes` on a simplified graph."""
        ...

    def plan(self, graph: Graph, sizes: Mapping[str, int]) -> MemoryPlan:
        """The memory that one call of a prepared graph will take, exactly, without generating its code."""
        ...

    def compile(self, graph: Graph, *, threads: int | None = None) -> Executable:
        """Generate code for a prepared graph. `threads`: None means as many as the process may use."""
        ...
