"""The state of one elaboration of a net, and the only place where the frontend makes nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from typing import Any, NoReturn

import numpy as np

from netlang.diagnostics import Diagnostic, Span
from netlang.frontend import ast, limits
from netlang.frontend.faults import Fault, Located, Reporter, Stop
from netlang.frontend.scope import Frame, Naming, Usage
from netlang.frontend.values import BlockFunction, Instance, Layer
from netlang.ir.build import Builder
from netlang.ir.dims import Dim, Sym
from netlang.ir.graph import Node, Value
from netlang.ir.module import RNG
from netlang.ir.opdef import ShapeError
from netlang.ir.scan import stirred
from netlang.ir.types import DType, TensorType, shape_text

_CHAIN = 6  # steps of a tensor's history that a note shows
_STACK = 6  # blocks that a fault shows
_LABEL = 32


@dataclass(frozen=True)
class Step:
    """How a tensor came to be: `label` applied to `previous`, or simply the name `label`."""

    label: str
    previous: Value | None


class Context:
    """One elaboration: of the file's constants, a net and perhaps its `train` section, in one mode.

    `run_block` carries out a block; it is passed in because statements are made of expressions and not the reverse.
    """

    def __init__(
        self, training: bool, reporter: Reporter, usage: Usage, run_block: Callable[..., Any] | None = None
    ) -> None:
        self.training = training
        self.reporter = reporter
        self.usage = usage
        self.run_block: Callable[[Context, BlockFunction, dict[str, Any], Instance, Span], Any] | None = run_block
        self.frames: list[Frame] = []
        self.naming = Naming(Instance())  # of the file's own layers
        self.net_layers: dict[ast.Block | ast.Net, Layer] = {}
        self.inputs: dict[str, Value] = {}
        self.params: dict[str, Value] = {}
        self.keys: dict[str, tuple[str, str]] = {}  # of parameters: see Instance
        self.updates: dict[str, Value] = {}
        self.trail: dict[Value, Step] = {}
        self.settings: Mapping[str, Mapping[str, Any]] = {}  # from outside, for the parameters of nets, by owner
        self.loops: list[Value] = []  # of every scan around, the number of its step
        self.recipe: object | None = None  # of the `train` section being carried out
        self.level = 0
        self.device: int | None = None  # of the layers being applied
        self._steps = 0
        self._nodes = 0
        self._draws: dict[str, int] = {}

    # ---- where we are

    @property
    def frame(self) -> Frame:
        return self.frames[-1]

    @contextmanager
    def inside(self, frame: Frame) -> Iterator[Frame]:
        """Carry out `frame`. Ends the elaboration where blocks are applied without end."""
        self.frames.append(frame)
        try:
            if len(self.frames) > limits.BLOCKS:
                self._too_deep(frame)
            yield frame
        finally:
            self.frames.pop()

    @contextmanager
    def on_device(self, device: int | None) -> Iterator[None]:
        """What is applied inside belongs to `device`; None: to whatever what is around it does."""
        around = self.device
        if device is not None and around is not None and device != around:
            raise Fault(f"a layer on device {device} cannot be part of one on device {around}")
        self.device = around if device is None else device
        try:
            yield
        finally:
            self.device = around

    def _too_deep(self, frame: Frame) -> NoReturn:
        again = sum(f.name == frame.name for f in self.frames) > 1
        what = f"{frame.kind} '{frame.name}' applies itself without end" if again else "blocks are nested too deeply"
        self.stop(f"{what} ({limits.BLOCKS} levels)", frame.call)

    def places(self, span: Span | None) -> tuple[tuple[Span, ...], Value | None]:
        """`span` and the callers that led there, innermost first, and the tensor they were about.

        What happens inside the standard library is shown where the user called it.
        """
        found: list[Span] = []
        subject: Value | None = None
        for frame in reversed(self.frames):
            if frame.std:
                subject = frame.subject
            elif span is not None and not (found and _encloses(span, found[-1])):
                found.append(span)
                subject = subject or frame.subject
            span = frame.call
        return tuple(found[:_STACK]), subject

    def locate(self, fault: Fault | ShapeError, span: Span, subjects: Sequence[Value] = ()) -> Located:
        """`fault` with its place: its own span, or else `span`. `subjects` are the tensors that it may be about."""
        place = fault.span if isinstance(fault, Fault) and fault.span is not None else span
        spans, about = self.places(place)
        notes = list(fault.notes) if isinstance(fault, Fault) else []
        # Of several tensors, how those came to be whose shapes the message names.
        named = {shape_text(v.shape): v for v in reversed(subjects) if shape_text(v.shape) in str(fault)}
        shown: Sequence[Value | None] = list(reversed(named.values())) if len(named) > 1 else subjects[:1] or [about]
        chains = [step for value in ([about] if self.frame.std else shown) for step in self.chain(value)]
        return Located(Diagnostic(str(fault), spans, notes=(*notes, *chains), hint=fault.hint))

    def stop(self, message: str, span: Span | None) -> NoReturn:
        """Record a fault and end the elaboration."""
        self.reporter.add(Diagnostic(message, self.places(span)[0]))
        raise Stop

    def count_step(self, span: Span) -> None:
        """Called for every evaluation; ends the elaboration when there are too many."""
        self._steps += 1
        if self._steps > limits.STEPS:
            self.stop(f"this takes too long to work out: more than {limits.STEPS} steps", span)
        if self.level > limits.LEVELS:
            self.stop("expressions and blocks are nested too deeply", span)

    def charge(self, entries: int, span: Span) -> None:
        """Called when lists or layers of that many entries are copied, which counts as some steps."""
        self._steps += entries // 8
        self.count_step(span)

    # ---- histories

    def record(self, value: Any, label: str, previous: Value | None = None) -> None:
        """Remember how a tensor came to be, for the notes of later faults."""
        if isinstance(value, Value) and value is not previous and not self.frame.std:
            self.trail[value] = Step(label, previous)

    def chain(self, value: Value | None) -> tuple[str, ...]:
        """`image [N,1,32,32] -> stage(6) [N,6,14,14]`, where there is more to tell than the tensor itself."""
        parts: list[str] = []
        while value is not None and value in self.trail:
            step = self.trail[value]
            parts.append(f"{_shortened(step.label)} {shape_text(value.shape).replace(' ', '')}")
            value = step.previous
            if len(parts) > _CHAIN:
                parts[-1] = "..."
                break
        return (" -> ".join(reversed(parts)),) if len(parts) > 1 else ()

    # ---- leaves

    def net_layer(self, net: BlockFunction) -> Layer:
        """A net as a layer: the same one wherever its name stands, with the parameters of the net itself."""
        found = self.net_layers.get(net.definition)
        if found is None:
            name = self.naming.claimed(net.name)
            found = Layer(net, (), {}, net.definition.name.span)
            found.instance = Instance(name, owner_of(net.definition))
            self.net_layers[net.definition] = found
        return found

    def add_input(self, name: str, type: TensorType, span: Span) -> Value:
        """A new input of the graph."""
        value = Builder((span,)).input(name, type)
        self.inputs[name] = value
        self.record(value, name)
        return value

    def rng(self) -> Value:
        """The key (seed, step) that random nodes read; another one in every step of the scans around.

        The input is there only if something reads it.
        """
        if RNG not in self.inputs:
            self.inputs[RNG] = Builder().input(RNG, TensorType(DType.I64, (2,)))
        key = self.inputs[RNG]
        for depth, number in enumerate(self.loops):
            key = stirred(Builder(), key, number, depth)
        return key

    @contextmanager
    def within_loop(self, number: Value) -> Iterator[None]:
        """Inside the body of a scan whose step has this `number`."""
        self.loops.append(number)
        try:
            yield
        finally:
            self.loops.pop()

    def draw(self, path: str) -> int:
        """How many random tensors the layer `path` has drawn before."""
        count = self._draws.get(path, 0)
        self._draws[path] = count + 1
        return count

    def count_nodes(self, count: int, span: Span) -> None:
        """Called for all new nodes; ends the elaboration when there are too many."""
        self._nodes += count
        if self._nodes > limits.NODES:
            self.stop(f"the net is too large: more than {limits.NODES} operations", span)


def owner_of(net: ast.Block | ast.Net) -> str:
    """What a net's own parameters are said to belong to; see Instance. Names of nets are unique in a file."""
    return f"{net.span.source.name}:{net.name.text}"


@dataclass(frozen=True)
class Site:
    """Where nodes are being made: by which expression, in which layer."""

    context: Context
    span: Span
    name: str

    @property
    def builder(self) -> Builder:
        return Builder(self.context.places(self.span)[0][:1], self.name, device=self.context.device)

    def node(self, op: str, *inputs: Value, **attrs: Any) -> Node:
        """A new node, checked against the limits. Raises ShapeError or Fault."""
        node = self.builder.node(op, *inputs, **attrs)
        self.context.count_nodes(1, self.span)
        for type in node.types:
            limits.check_type(type)
        return node

    def emit(self, op: str, *inputs: Value, **attrs: Any) -> Value:
        """The first result of a new node."""
        return self.node(op, *inputs, **attrs).out

    def scalar(self, number: Dim | float | bool, dtype: DType) -> Value:
        """A number as a tensor of shape []. Raises Fault where the element type cannot hold it."""
        if isinstance(number, Sym):
            return self.emit("extent", dim=number, dtype=dtype)
        if isinstance(number, float) and not dtype.is_float:
            raise Fault(f"{number} does not fit into {dtype} elements", hint=f"convert with cast(x, {DType.F32})")
        if isinstance(number, bool) != (dtype is DType.BOOL):
            raise Fault(f"{str(number).lower()} and {dtype} elements do not go together", hint="convert with cast")
        if dtype.is_int:
            low, high = dtype.bounds
            if not low <= number <= high:
                raise Fault(f"{number} does not fit into {dtype} elements")
        with np.errstate(over="ignore"):
            value = np.asarray(number).astype(dtype.numpy)
        if dtype.is_float and isfinite(number) and not np.isfinite(value.astype(np.float64)):
            raise Fault(f"{number} does not fit into {dtype} elements")
        return self.builder.const(value, dtype)


def _encloses(outer: Span, inner: Span) -> bool:
    if outer.source is not inner.source:
        return False
    starts = (outer.line, outer.column) <= (inner.line, inner.column)
    return starts and (outer.end_line, outer.end_column) >= (inner.end_line, inner.end_column)


def _shortened(label: str) -> str:
    text = " ".join(label.split())
    return text if len(text) <= _LABEL else text[: _LABEL - 3] + "..."


def text_of(span: Span) -> str:
    """What stands at a span, its first line."""
    line = span.source.line(span.line)
    return line[span.column - 1 : span.end_column - 1] if span.end_line == span.line else line[span.column - 1 :]


def first_tensor(values: Sequence[Any]) -> Value | None:
    """The first tensor among some values."""
    return next(iter(tensors_among(values)), None)


def tensors_among(values: Sequence[Any]) -> list[Value]:
    """Those of some values that are tensors."""
    return [v for v in values if isinstance(v, Value)]
