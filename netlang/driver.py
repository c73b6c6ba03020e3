"""From a `.net` file to a model: the stages in order, and the table of backends.

    load source -> module -> net or training step -> simplify -> the backend's own passes -> machine code -> Model

The first two are the frontend's, the rest is named below: `stages` lists every pass that a graph goes through.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any

from netlang import config
from netlang.backends.base import (
    PRECISIONS,
    Adopting,
    AheadOfTime,
    Array,
    Backend,
    Executable,
    Observer,
    Options,
    Placing,
    Portable,
    Report,
    Tunable,
    Tuning,
)
from netlang.diagnostics import NetError, did_you_mean
from netlang.frontend import load
from netlang.ir import dims
from netlang.ir.graph import Graph
from netlang.ir.module import Module, TrainSpec
from netlang.ir.scan import SCAN
from netlang.ir.types import DType, shape_text
from netlang.passes import inference_pipeline, recompute, training_pipeline
from netlang.passes.manager import Pass, PassManager
from netlang.passes.optimizer import training_step
from netlang.passes.tower_nodes import is_on_several
from netlang.runtime.family import Family
from netlang.runtime.model import Model, batch_symbol, user_inputs
from netlang.runtime.samples import initial_params, random_inputs
from netlang.runtime.trainer import Programs, Trainer
from netlang.runtime.turns import Turns, chosen_phase, phases_of

BACKENDS = {
    "reference": "netlang.backends.reference:Reference",
    "cpu": "netlang.backends.cpu:Cpu",
    "cuda": "netlang.backends.cuda:Cuda",
}
"""The targets of the compiler; a backend is imported when it is asked for."""

WEIGHT_TYPES = {"bfloat16": DType.BF16}
"""What weights can be kept as instead of the type that the net gives them."""
HALF_TYPES = {"float16": DType.F16, "bfloat16": DType.BF16}
"""What weights can be stored as in a file."""


def compile(
    path_or_text: str | os.PathLike[str],
    target: str = "cpu",
    batch: int | None = None,
    threads: int | None = None,
    net: str | None = None,
    *,
    exact: bool = False,
    deterministic: bool = False,
    weights_as: str | None = None,
    precision: str = "float32",
    tune: float | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Model:
    """Compile a net: a path, or the text of a `.net` file itself.

    target     cpu, or reference (NumPy: slow, the definition of correct)
    batch      choose kernels, plan and warm up for batches of this size; others work too
    threads    of compiled code; None means as many as the process may use. Results do not depend on it.
    net        which net of the file; the last one if not given
    exact, deterministic, weights_as, precision    see `options`
    tune       measure for about so many seconds which kernels are fastest for each layer, with batches of `batch` (1),
               and remember it for this processor or GPU: later compilations go by it
    arguments  values for the file's constants and the parameters of its nets, in place of those it gives

    Raises NetError with every fault of the file, for an unknown target, net or argument, and for numbers that are
    none.
    """
    for what, count in (("batch", batch), ("threads", threads)):
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
            raise NetError(f"'{what}' is a whole number from 1 on, not {count!r}")
    if tune is not None and (isinstance(tune, bool) or not isinstance(tune, int | float) or not tune > 0):
        raise NetError(f"'tune' is a number of seconds, not {tune!r}")
    wanted = options(exact, deterministic, weights_as, batch, precision)
    backend = backend_for(target, wanted)
    model = assemble(load(path_or_text, arguments=arguments), backend, net, threads)
    if tune is not None:
        if len(model.net.symbols) > 1:
            hint = "netc compile --tune takes their sizes with --size"
            raise NetError(f"a batch alone does not say all sizes: {', '.join(model.net.symbols)}", hint=hint)
        sizes = dict.fromkeys(model.net.symbols, batch or 1)
        tune_net(model.net, inference_pipeline(), backend, sizes, threads, tune)
    model.compiled.build()
    if batch is not None:
        model.reserve(batch)
    return model


def tune_net(
    graph: Graph,
    pipeline: Sequence[Pass],
    backend: Backend,
    sizes: Mapping[str, int],
    threads: int | None = None,
    seconds: float = 30.0,
    report: Report = lambda what, done: None,
) -> Tuning:
    """Measure which kernels are fastest for a graph's layers with these sizes, and remember it for this machine.

    Raises NetError for a backend that does not measure, and as `Tunable.tune` does.
    """
    if not isinstance(backend, Tunable):
        raise NetError(f"target '{backend.name}' has nothing to tune", hint="the targets cpu and cuda are tuned")
    prepared = PassManager().run(graph, [*pipeline, *backend.passes])
    inputs, params = random_inputs(graph, sizes), initial_params(graph)
    return backend.tune(prepared, inputs, params, threads=threads, seconds=seconds, report=report)


def tune_training(
    module: Module,
    backend: Backend,
    sections: Sequence[str] | None = None,
    threads: int | None = None,
    seconds: float = 30.0,
    report: Report = lambda what, done: None,
) -> Tuning:
    """Measure which kernels are fastest for the steps of `train` sections, all or those named, with their batches.

    Raises NetError as `tune_net` does, and for sections whose sizes only a call tells.
    """
    wanted: Sequence[str | None] = sections or module.order or [None]
    names = [chosen_phase(module, name) for name in wanted]
    specs = list({spec.name: spec for name in names for spec in phases_of(module, name)}.values())
    found: list[Tuning] = []
    for spec in specs:
        step = training_step(spec, is_placed(spec.graph, backend))
        share = seconds / len(specs)
        found.append(tune_net(step, training_pipeline(), backend, batch_sizes(spec), threads, share, report))
        if not found[-1].whole:
            break
    whole = all(tuning.whole for tuning in found)
    return Tuning([layer for tuning in found for layer in tuning.layers], found[-1].place, whole)


def generate_ahead(
    module: Module, backend: Backend, net: str | None = None, architectures: Sequence[str] = ()
) -> tuple[Graph, AheadOfTime]:
    """A net's graph as it will be carried out, and its code for machines that need not be this one.

    Raises NetError for a backend that generates code for this machine alone, and as `Portable.ahead` does.
    """
    if not isinstance(backend, Portable):
        raise NetError(
            f"target '{backend.name}' generates code for this machine alone, not for architectures by name",
            hint="--arch goes with --target cuda",
        )
    prepared = PassManager().run(choose(module, net), stages(backend, train=False))
    return prepared, backend.ahead(prepared, architectures)


def assemble(module: Module, backend: Backend, net: str | None = None, threads: int | None = None) -> Model:
    """A model whose code is generated when it is first run: training alone never needs that of inference."""
    graph = choose(module, net)
    return Maker(module, backend, threads).model(graph.name, Family(module.kept_with(graph.name)))


@dataclass(frozen=True)
class Maker:
    """How models and trainers of one file are made, for one backend."""

    module: Module
    backend: Backend
    threads: int | None

    def model(self, net: str, family: Family) -> Model:
        """A model of a net, over these parameters."""
        graph = self.module.nets[net]
        code = Code(graph, inference_pipeline(is_placed(graph, self.backend)), self.backend, self.threads)
        return Model(self.module, graph, code, self.backend.name, family, self)

    def trainer(self, phase: str, family: Family, seed: int, memory: int | None) -> Trainer | Turns:
        """What carries out a `train` section, changing these parameters."""
        if phase in self.module.alternations:
            alternation = self.module.alternations[phase]
            specs = phases_of(self.module, phase)
            return Turns(alternation, {spec.name: self._trainer(spec, family, seed, memory) for spec in specs})
        return self._trainer(self.module.phases[phase], family, seed, memory)

    def _trainer(self, spec: TrainSpec, family: Family, seed: int, memory: int | None) -> Trainer:
        budget = None if memory is None else Budget(memory, batch_sizes(spec))
        net = self.module.nets[spec.graph.name]
        return Trainer(programs(self.module, spec, net, self.backend, self.threads, budget), family, seed)


def programs(
    module: Module, spec: TrainSpec, net: Graph, backend: Backend, threads: int | None, budget: Budget | None = None
) -> Programs:
    """What a trainer runs: the training step, within the budget if there is one, and the evaluation."""
    placed = is_placed(spec.graph, backend)
    step = training_step(spec, placed)
    return Programs(
        spec=spec,
        net=net,
        graph=step,
        step=Code(step, training_pipeline(), backend, threads, budget),
        evaluation=Code(spec.evaluation, inference_pipeline(placed), backend, threads),
        replay=_replay,
        target=backend.name,
        source=module.fingerprint,
    )


def is_placed(graph: Graph, backend: Backend) -> bool:
    """Whether the source puts layers on several devices, and the backend has several."""
    return is_on_several(graph) and isinstance(backend, Placing) and backend.places() > 1


def stages(backend: Backend, train: bool) -> list[Pass]:
    """Every pass between the frontend's graph and code generation, in order."""
    return [*(training_pipeline() if train else inference_pipeline()), *backend.passes]


def choose(module: Module, net: str | None) -> Graph:
    """The net of that name, or the last of the file. Raises NetError where there is none."""
    if net is None:
        return module.net
    if net not in module.nets:
        hint = did_you_mean(net, module.nets) or f"it has {', '.join(module.nets)}"
        raise NetError(f"{module.source.name} has no net '{net}'", hint=hint)
    return module.nets[net]


def half_type(name: str | None) -> DType | None:
    """What weights are stored as in a file. Raises NetError for what they cannot be."""
    if name is not None and name not in HALF_TYPES:
        hint = did_you_mean(name, HALF_TYPES) or f"what they can be stored as: {', '.join(HALF_TYPES)}"
        raise NetError(f"weights cannot be stored as '{name}'", hint=hint)
    return None if name is None else HALF_TYPES[name]


def options(
    exact: bool = False,
    deterministic: bool = False,
    weights_as: str | None = None,
    batch: int | None = None,
    precision: str = "float32",
) -> Options:
    """What is asked of generated code.

    exact          no algorithm that rounds more than the plain sum: convolutions without Winograd's transforms
    deterministic  the same bits for any number of threads; otherwise for the same number
    weights_as     bfloat16: the weights of dense layers and convolutions are kept in half the memory, rounded to the
                   nearest with 8 significant bits; sums stay in float32. For inference.
    batch          the size of batches that kernels are chosen for; others work too

    precision      tf32, bf16 or f16: factors of products are rounded to that, for the tensor cores of a GPU; sums stay
                   in float32

    Raises NetError for a type that weights cannot be kept in, and for a precision that there is not.
    """
    if precision not in PRECISIONS:
        hint = did_you_mean(str(precision), PRECISIONS) or f"there are {', '.join(PRECISIONS)}"
        raise NetError(f"there is no precision {precision!r}", hint=hint)
    if weights_as is not None and weights_as not in WEIGHT_TYPES:
        known = ", ".join(WEIGHT_TYPES)
        hint = did_you_mean(str(weights_as), WEIGHT_TYPES) or f"what they can be kept as: {known}"
        raise NetError(f"weights cannot be kept as {weights_as!r}", hint=hint)
    stored = WEIGHT_TYPES[weights_as] if weights_as else None
    return Options(bool(exact), bool(deterministic), stored, batch, precision)


def backend_for(target: str, wanted: Options | None = None) -> Backend:
    """The backend called `target`, or the one that NETLANG_BACKEND forces, for code with these options.

    Raises NetError for an unknown name, and for options that the backend cannot follow.
    """
    target = config.get("NETLANG_BACKEND") or target
    if target not in BACKENDS:
        hint = did_you_mean(target, BACKENDS) or f"targets are {', '.join(BACKENDS)}"
        raise NetError(f"there is no target '{target}'", hint=hint)
    place, _, name = BACKENDS[target].partition(":")
    backend: Backend = getattr(import_module(place), name)(wanted or Options())
    return backend


def gpus_found() -> list[tuple[str, str]]:
    """(part, what is found of it) of what target cuda needs on this machine: packages, driver, GPUs."""
    found: list[tuple[str, str]] = import_module("netlang.backends.cuda.found").found()
    return found


@dataclass(frozen=True)
class Budget:
    """`bytes` that a step may take in all (parameters, inputs, working memory) with these sizes of symbolic dims."""

    bytes: int
    sizes: Mapping[str, int]


def batch_sizes(spec: TrainSpec) -> dict[str, int]:
    """The sizes of symbolic dims that a `train` section says: the batch.

    Raises NetError where there are other dims, whose sizes only a call tells.
    """
    batch = str(batch_symbol(user_inputs(spec.graph)))
    others = [name for name in spec.graph.symbols if name != batch]
    if others:
        raise NetError(f"memory cannot be planned for a batch alone: {', '.join(others)} is not known either")
    return {batch: spec.batch} if batch in spec.graph.symbols else {}


def within(graph: Graph, backend: Backend, budget: Budget) -> Graph:
    """A prepared training step that computes as much again as the budget demands.

    Raises NetError, which says the least that is possible, where the budget cannot be met.
    """
    held = sum(dims.evaluate(v.type.bytes, budget.sizes) for v in (*graph.inputs, *graph.params))
    found: list[recompute.Fitted] = []
    step = recompute.pass_for(
        budget.bytes - held, budget.sizes, lambda g: backend.plan(g, budget.sizes), keep=found.append
    )
    fitted = PassManager().run(graph, [step])
    least = found[0].bytes + held
    if least > budget.bytes:
        sizes = ", ".join(f"{name} = {size}" for name, size in budget.sizes.items())
        loops = ", and so do loops with checkpoint = 10" if any(n.op == SCAN for n in graph.nodes) else ""
        raise NetError(
            f"a training step{' with ' + sizes if sizes else ''} needs at least {least / 1e6:,.1f} MB, even with "
            f"activations computed again: {budget.bytes / 1e6:,.1f} MB are not enough",
            hint=f"{held / 1e6:,.1f} MB of it hold weights, optimiser and inputs; a smaller batch needs less{loops}",
        )
    return fitted


class Code:
    """A graph on its way through the stages; compiled when it is first asked for."""

    def __init__(
        self,
        graph: Graph,
        pipeline: Sequence[Pass],
        backend: Backend,
        threads: int | None,
        budget: Budget | None = None,
    ) -> None:
        self._graph, self._pipeline, self._backend, self._budget = graph, pipeline, backend, budget
        self._threads = threads if threads is not None else config.get("NETLANG_THREADS")

    def build(self) -> None:
        """Generate the code now rather than at the first call."""
        _ = self.executable

    @cached_property
    def executable(self) -> Executable:
        # All in one run: nodes that were verified after one pass are not verified again after the others.
        prepared = PassManager().run(self._graph, [*self._pipeline, *self._backend.passes])
        if self._budget is not None:
            prepared = within(prepared, self._backend, self._budget)
        return self._backend.compile(prepared, threads=self._threads)

    @property
    def graph(self) -> Graph:
        """The graph as it is carried out."""
        return self.executable.graph

    def run(self, inputs: Mapping[str, Array], params: Mapping[str, Array]) -> dict[str, Array]:
        try:
            return self.executable.run(inputs, params)
        except MemoryError as fault:
            shapes = ", ".join(f"{n} {shape_text(a.shape)}" for n, a in inputs.items() if not n.startswith("$"))
            raise NetError(f"not enough memory for inputs of this size: {shapes}") from fault

    def adopt(self, value: Any) -> Any:
        """A value that is in the memory of the executable's device, as `run` takes it; None for all others."""
        return self.executable.adopt(value) if isinstance(self.executable, Adopting) else None

    def freeze(self, params: MutableMapping[str, Array]) -> None:
        self.executable.freeze(params)

    def planned_bytes(self, sizes: Mapping[str, int]) -> int:
        return self.executable.planned_bytes(sizes)


def _replay(graph: Graph, inputs: Mapping[str, Array], params: Mapping[str, Array], observe: Observer) -> None:
    """Run a graph that was not fused on the reference backend, every node shown to `observe`."""
    evaluate = import_module("netlang.backends.reference").evaluate
    evaluate(graph, inputs, params, observe=observe)
