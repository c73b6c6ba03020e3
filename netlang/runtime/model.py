"""A compiled network as users hold it: weights in and out, calls with NumPy arrays, a trainer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from itertools import count
from types import MappingProxyType
from typing import Any, Protocol, overload

import numpy as np

from netlang.diagnostics import NetError, did_you_mean
from netlang.ir import dims
from netlang.ir.graph import Graph, Value
from netlang.ir.module import RNG, Module
from netlang.runtime.arrays import Array, as_array, bind_sizes, by_name, port
from netlang.runtime.bounds import check_bounds, index_bounds
from netlang.runtime.family import Family
from netlang.runtime.mapping.fitting import Demands
from netlang.runtime.mapping.loading import Map
from netlang.runtime.mapping.report import Loaded
from netlang.runtime.parameters import Parameters, checked_seed, settle
from netlang.runtime.ports import batch_of, has_batch, without_batch
from netlang.runtime.trainer import Trainer
from netlang.runtime.turns import Turns, chosen_phase, phases_of


class Compiled(Protocol):
    """What a model needs of the code that a backend makes."""

    @property
    def graph(self) -> Graph: ...

    def build(self) -> None: ...

    def run(self, inputs: Mapping[str, Array], params: Mapping[str, Array]) -> dict[str, Array]: ...

    def freeze(self, params: MutableMapping[str, Array]) -> None: ...

    def planned_bytes(self, sizes: Mapping[str, int]) -> int: ...


Training = Trainer | Turns
"""What carries out a `train` section."""

MOST_SHAPES = 256
"""For this many shapes of the inputs it is remembered that they fit."""


class Maker(Protocol):
    """How more is made of a file: models of its other nets, trainers."""

    def model(self, net: str, family: Family) -> Model: ...

    def trainer(self, phase: str, family: Family, seed: int, memory: int | None) -> Training: ...


class Model:
    """One net of a `.net` file, compiled. Made by `netlang.compile`.

    Weights are undefined until `init`, `load_weights` or `trainer` gives them values.
    """

    def __init__(
        self, module: Module, net: Graph, compiled: Compiled, target: str, family: Family, maker: Maker | None = None
    ) -> None:
        self.module = module
        self.net = net
        self.compiled = compiled
        self.target = target
        self.family = family
        self._maker = maker
        self._siblings: dict[str, Model] = {net.name: self}
        self._inputs = user_inputs(net)
        self._bounds = index_bounds(net)
        self._wanted = [(v.node.name, v.type, f"input '{v.node.name}'") for v in self._inputs]
        self._random = any(v.node.name == RNG for v in net.inputs)
        self._fitting: set[tuple[tuple[int, ...], ...]] = set()
        """Shapes of all inputs that have been found to fit together."""
        self._ports = [port(v.node.name, v.type) for v in self._inputs]
        self._batch = batch_of(self._ports)
        self.seed = 0
        self.store = family.store(net.params, module.names.get(net.name, {}))
        self._frozen = False
        self._adopt = getattr(compiled, "adopt", None)
        """Takes arrays that are in the memory of the device already, where there is such a device."""

    @property
    def name(self) -> str:
        return self.net.name

    @property
    def inputs(self) -> Mapping[str, str]:
        """Names and types of the inputs, in the order in which a call takes them: `{'image': 'f32[N, 1, 32, 32]'}`."""
        return MappingProxyType({v.node.name: str(v.type) for v in self._inputs})

    @property
    def outputs(self) -> Mapping[str, str]:
        """Names and types of the outputs."""
        return MappingProxyType({name: str(v.type) for name, v in self.net.outputs})

    @property
    def seed(self) -> int:
        """The seed of the net's random nodes. Every call draws other numbers; setting a seed begins them anew."""
        return self._seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self._seed = checked_seed(seed)
        self._draws = count()

    @property
    def parameters(self) -> Parameters:
        """The parameters by name, read-only; assigning `model.parameters[name] = array` changes the model."""
        self._check_free("reading parameters")
        return Parameters(self.net.params, self.store)

    def init(self, seed: int = 0) -> Model:
        """Give all parameters their initial values: the same for the same seed, on every machine and backend."""
        self._check_free("initialising")
        self.family.init(checked_seed(seed))
        return self

    @overload
    def load_weights(self, path: str | os.PathLike[str]) -> Model: ...

    @overload
    def load_weights(
        self, path: str | os.PathLike[str], *, map: Map = None, partial: bool = False, by_order: bool = False
    ) -> Loaded: ...

    def load_weights(
        self, path: str | os.PathLike[str], *, map: Map = None, partial: bool = False, by_order: bool = False
    ) -> Model | Loaded:
        """Read a safetensors file (or the arrays of an `.npz`). Raises NetError, and changes nothing, unless it fits
        the net: every parameter, and nothing else. Floating-point numbers of fewer bits are widened.

        With any of these it returns a report of what was taken and what was left out, else the model itself:

        map       a table of names (docs/weights.md), or the file that it is read from
        partial   parameters that the file lacks keep their values, tensors that fit nowhere are left out
        by_order  parameters and tensors whose names fit nowhere are paired by shape and order: a guess

        Nets of a file that share layers share their weights files too: see `nets`.
        """
        self._check_free("loading weights")
        report = self.family.load(path, map, Demands(bool(partial), bool(by_order)))
        return self if map is None and not partial and not by_order else report

    def freeze(self) -> Model:
        """Keep the weights only in the form that compiled code reads, for calls alone: about half the memory.

        A model whose weights are packed has them twice otherwise. Afterwards they can be neither read, saved nor
        changed, and there is no trainer; one that was made before keeps the weights and goes on. Raises NetError where
        there are no weights yet.
        """
        self._check_ready("freezing")
        if not self._frozen:
            settle()
            self.compiled.freeze(self.store)
            # What is left may be a trainer's too, which goes on changing it.
            for name in list(self.store):
                self.store[name] = self.store[name].copy()
            self.family = Family(())
            self._frozen = True
        return self

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file, atomically. Raises NetError where there are no weights yet."""
        self._check_ready("saving")
        self._check_free("saving")
        self.family.save(path, self.name)

    @property
    def nets(self) -> Mapping[str, Model]:
        """All nets of the file as models: `model.nets["decoder"]`. Those that share layers of the file, or apply one
        another, share the weights: what one learns, the others know. They are compiled when they are first called."""
        self._check_free("other nets")
        return Siblings(self)

    def copy(self) -> Model:
        """A model of the same net with weights of its own, at first the same: a target network, a running average."""
        self._check_free("copying")
        return self._make().model(self.name, self.family.copy())

    def assign(self, other: Model, rate: float = 1.0) -> Model:
        """Take over another model's weights, or move towards them by the share `rate` of the way.

        Raises NetError where the other's nets have other parameters, and where it has no weights yet.
        """
        self._check_free("assigning weights")
        other._check_free("assigning weights")
        other._check_ready("assigning")
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 1:
            raise NetError(f"the rate is a number above 0 and up to 1, not {rate!r}")
        self.family.take(other.family, float(rate))
        self.family.ready = True
        return self

    def _make(self) -> Maker:
        if self._maker is None:
            raise NetError(f"net '{self.name}' was made by hand, without a file to make more of")
        return self._maker

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Run the net on a batch of any size.

        Where the net has random nodes, `seed=3` makes this call draw the numbers of the first call after
        `model.seed = 3` (unless an input is called `seed`).

        Inputs come in order or by keyword: NumPy arrays, or anything that speaks DLPack or `__array__`. On target cuda,
        arrays in the memory of the GPU are read where they are (PyTorch, CuPy, JAX: what speaks DLPack or
        `__cuda_array_interface__`), and the outputs are then there too, for these libraries to take. If every input
        with a batch dim comes without it (`[C, H, W]` for `[N, C, H, W]`), the outputs come without it too. One output
        is returned as an array, several as a dict by name. Element types are not converted, save those of plain
        numbers and lists. Raises NetError for a wrong name, type or shape.
        """
        self._check_ready("calling")
        key = self._key(named)
        if named or len(args) != len(self._inputs):
            given = by_name(self._inputs, args, named, f"net '{self.name}'")
            args = tuple(given[v.node.name] for v in self._inputs)
        arrays = {n: as_array(a, t, what, self._adopt) for (n, t, what), a in zip(self._wanted, args, strict=True)}
        single: frozenset[str] = frozenset()
        shapes = tuple([a.shape for a in arrays.values()])
        if shapes not in self._fitting:
            single = self._without_batch(arrays)
            arrays = {n: a[None] if n in single else a for n, a in arrays.items()}
            self._check_shapes(arrays)
        if self._bounds:
            check_bounds(self._bounds, arrays)
        if self._random:
            arrays[RNG] = np.array(key, np.int64)
        outputs = self.compiled.run(arrays, self.store)
        if single:
            outputs = {n: outputs[n][0] if self._has_batch(v) else outputs[n] for n, v in self.net.outputs}
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def _key(self, named: dict[str, Any]) -> tuple[int, int]:
        """What random nodes draw by in a call with these arguments; takes the seed out of them."""
        if "seed" in named and all(name != "seed" for name, _, _ in self._wanted):
            if not self._random:
                raise NetError(f"net '{self.name}' has no random nodes, so there is nothing to seed")
            return checked_seed(named.pop("seed")), 0
        return self._seed, next(self._draws) if self._random else 0

    def trainer(self, seed: int = 0, memory: int | None = None, phase: str | None = None) -> Trainer:
        """A trainer of this model's own weights, which are initialised from `seed` if they have no values yet.

        `phase`: which `train` section, where the file has several. Trainers of one model change the same weights, in
        whichever order their steps are taken; each has an optimiser's state of its own.

        `memory`: bytes that a training step may take in all with the batch of the `train` section. Activations are
        computed a second time as far as that demands it; results are the same bits. Where it is not enough, the
        step's first use says the least that is possible.

        Raises NetError where the file has no such `train` section.
        """
        found = self.training(seed, memory, phase)
        if not isinstance(found, Trainer):
            hint = f"it lets {', '.join(found.parts)} take turns; ask for these, or fit it as model.training(...)"
            raise NetError(f"the train section '{phase}' has no steps of its own", hint=hint)
        return found

    def training(self, seed: int = 0, memory: int | None = None, phase: str | None = None) -> Training:
        """What `fit` and `evaluate` are methods of: a trainer, or trainers that take turns."""
        phase = chosen_phase(self.module, phase)
        self._check_free("training")
        for spec in phases_of(self.module, phase):
            if self.module.kept_with(spec.graph.name) is not self.module.kept_with(self.name):
                hint = f'compile the file for it: net="{spec.graph.name}"'
                message = f"'{spec.name}' trains net '{spec.graph.name}', which shares no weights with '{self.name}'"
                raise NetError(message if spec.name else message.replace("''", "the train section", 1), hint=hint)
        return self._make().trainer(phase, self.family, seed, memory)

    def reserve(self, batch: int) -> None:
        """Plan and warm up working memory for batches of `batch` samples, so that the first call costs no more.

        Raises NetError where the inputs have other symbolic dims, whose sizes only a call tells.
        """
        others = [name for name in self.net.symbols if name != str(self._batch)]
        if others:
            raise NetError(f"memory cannot be reserved for a batch alone: {', '.join(others)} is not known either")
        sizes = {str(self._batch): batch} if self._batch is not None else {}
        try:
            zeros = {v.node.name: np.zeros(v.type.concrete(sizes), v.dtype.numpy) for v in self.net.inputs}
        except (MemoryError, ValueError) as fault:
            raise NetError(f"inputs of {batch:,} samples do not fit into memory") from fault
        self.compiled.run(zeros, self.store)

    def __reduce__(self) -> Any:
        raise TypeError(
            "a Model holds machine code and cannot be copied or pickled; save_weights() keeps what it has learned, "
            "and compile() with load_weights() makes it again"
        )

    def _check_ready(self, what: str) -> None:
        if not self.family.ready:
            raise NetError(f"net '{self.name}' has no weights yet", hint=f"call init() or load_weights() before {what}")

    def _check_free(self, what: str) -> None:
        if self._frozen:
            raise NetError(
                f"net '{self.name}' is frozen: its weights are kept for calls only",
                hint=f"compile it again for {what}",
            )

    def _check_shapes(self, arrays: Mapping[str, Array]) -> None:
        """Raises NetError for shapes that do not fit; remembers those that do."""
        bind_sizes(self._inputs, {n: a.shape for n, a in arrays.items()})
        if len(self._fitting) >= MOST_SHAPES:
            self._fitting.clear()
        self._fitting.add(tuple([a.shape for a in arrays.values()]))

    def _has_batch(self, value: Value) -> bool:
        return has_batch(value.shape, self._batch)

    def _without_batch(self, arrays: Mapping[str, Array]) -> frozenset[str]:
        """The inputs that lack the batch dim, if all that have one lack it."""
        return without_batch(self._ports, {n: len(a.shape) for n, a in arrays.items()}, self._batch)

    def __repr__(self) -> str:
        takes = ", ".join(f"{n}: {t}" for n, t in self.inputs.items())
        gives = ", ".join(f"{n}: {t}" for n, t in self.outputs.items())
        return f"<Model {self.name}({takes}) -> {gives}, on {self.target}>"


class Siblings(Mapping[str, Model]):
    """The nets of a model's file by name, each made when it is asked for."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __getitem__(self, name: str) -> Model:
        model, known = self._model, self._model._siblings
        if name not in model.module.nets:
            hint = did_you_mean(str(name), model.module.nets) or f"it has {', '.join(model.module.nets)}"
            raise NetError(f"{model.module.source.name} has no net '{name}'", hint=hint)
        if name not in known:
            together = model.module.kept_with(name) is model.module.kept_with(model.name)
            family = model.family if together else Family(model.module.kept_with(name))
            known[name] = model._make().model(name, family)
            if together:
                known[name]._siblings = known
        return known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._model.module.nets

    def __iter__(self) -> Iterator[str]:
        return iter(self._model.module.nets)

    def __len__(self) -> int:
        return len(self._model.module.nets)


def user_inputs(graph: Graph) -> tuple[Value, ...]:
    """The inputs a caller gives: all but those the runtime supplies itself."""
    return tuple(v for v in graph.inputs if not v.node.name.startswith("$"))


def batch_symbol(inputs: Iterable[Value]) -> dims.Dim | None:
    """The symbolic first dim of the first input that has one: the batch."""
    return batch_of([port(v.node.name, v.type) for v in inputs])
