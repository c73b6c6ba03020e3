"""A compiled network as users hold it: weights in and out, calls with NumPy arrays, a trainer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from itertools import count
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from netlang.diagnostics import NetError
from netlang.ir import dims
from netlang.ir.graph import Graph, Value
from netlang.ir.module import RNG, Module
from netlang.runtime import weights
from netlang.runtime.arrays import Array, as_array, bind_sizes, by_name
from netlang.runtime.bounds import check_bounds, index_bounds
from netlang.runtime.parameters import Parameters, Store, allocate, checked_seed, initialise, learned
from netlang.runtime.trainer import Trainer


class Compiled(Protocol):
    """What a model needs of the code that a backend makes."""

    @property
    def graph(self) -> Graph: ...

    def build(self) -> None: ...

    def run(self, inputs: Mapping[str, Array], params: Mapping[str, Array]) -> dict[str, Array]: ...

    def freeze(self, params: MutableMapping[str, Array]) -> None: ...

    def planned_bytes(self, sizes: Mapping[str, int]) -> int: ...


MOST_SHAPES = 256
"""For this many shapes of the inputs it is remembered that they fit."""

MakeTrainer = Callable[["Model", int, int | None], Trainer]


class Model:
    """One net of a `.net` file, compiled. Made by `netlang.compile`.

    Weights are undefined until `init`, `load_weights` or `trainer` gives them values.
    """

    def __init__(
        self, module: Module, net: Graph, compiled: Compiled, target: str, make_trainer: MakeTrainer | None
    ) -> None:
        self.module = module
        self.net = net
        self.compiled = compiled
        self.target = target
        self._make_trainer = make_trainer
        self._inputs = user_inputs(net)
        self._bounds = index_bounds(net)
        self._wanted = [(v.node.name, v.type, f"input '{v.node.name}'") for v in self._inputs]
        self._random = any(v.node.name == RNG for v in net.inputs)
        self._fitting: set[tuple[tuple[int, ...], ...]] = set()
        """Shapes of all inputs that have been found to fit together."""
        self._batch = batch_symbol(self._inputs)
        self.seed = 0
        self.store = Store((p.node.name, allocate(p)) for p in net.params)
        initialise((p for p in net.params if p.node.attrs["init"][0] in ("constant", "value")), 0, self.store)
        self._ready = not learned(net)
        self._frozen = False

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
        initialise(self.net.params, checked_seed(seed), self.store)
        self._ready = True
        return self

    def load_weights(self, path: str | os.PathLike[str]) -> Model:
        """Read a safetensors file. Raises NetError, and changes nothing, unless it fits the net exactly."""
        self._check_free("loading weights")
        weights.load(path, learned(self.net), self.store)
        self._ready = True
        return self

    def freeze(self) -> Model:
        """Keep the weights only in the form that compiled code reads, for calls alone: about half the memory.

        A model whose weights are packed has them twice otherwise. Afterwards they can be neither read, saved nor
        changed, and there is no trainer; one that was made before keeps the weights and goes on. Raises NetError where
        there are no weights yet.
        """
        self._check_ready("freezing")
        if not self._frozen:
            self.compiled.freeze(self.store)
            # What is left may be a trainer's too, which goes on changing it.
            for name in list(self.store):
                self.store[name] = self.store[name].copy()
            self._frozen = True
        return self

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file, atomically. Raises NetError where there are no weights yet."""
        self._check_ready("saving")
        self._check_free("saving")
        weights.save(path, {p.node.name: self.store[p.node.name] for p in learned(self.net)}, {"net": self.name})

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Run the net on a batch of any size.

        Where the net has random nodes, `seed=3` makes this call draw the numbers of the first call after
        `model.seed = 3` (unless an input is called `seed`).

        Inputs come in order or by keyword: NumPy arrays, or anything that speaks DLPack or `__array__`. If every input
        with a batch dim comes without it (`[C, H, W]` for `[N, C, H, W]`), the outputs come without it too. One output
        is returned as an array, several as a dict by name. Element types are not converted, save those of plain
        numbers and lists. Raises NetError for a wrong name, type or shape.
        """
        self._check_ready("calling")
        key = self._key(named)
        if named or len(args) != len(self._inputs):
            given = by_name(self._inputs, args, named, f"net '{self.name}'")
            args = tuple(given[v.node.name] for v in self._inputs)
        arrays = {n: as_array(a, t, what) for (n, t, what), a in zip(self._wanted, args, strict=True)}
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

    def trainer(self, seed: int = 0, memory: int | None = None) -> Trainer:
        """A trainer of this model's own weights, which are initialised from `seed` if they have no values yet.

        `memory`: bytes that a training step may take in all with the batch of the `train` section. Activations are
        computed a second time as far as that demands it; results are the same bits. Where it is not enough, the
        step's first use says the least that is possible.

        Raises NetError where the file has no `train` section.
        """
        if self._make_trainer is None:
            raise NetError(f"{self.module.source.name} has no train section, so there is nothing to train for")
        self._check_free("training")
        if not self._ready:
            self.init(seed)
        return self._make_trainer(self, seed, memory)

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
        if not self._ready:
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
        return value.rank > 0 and self._batch is not None and value.shape[0] == self._batch

    def _without_batch(self, arrays: Mapping[str, Array]) -> frozenset[str]:
        """The inputs that lack the batch dim, if all that have one lack it."""
        batched = [v for v in self._inputs if self._has_batch(v)]
        lacking = frozenset(v.node.name for v in batched if arrays[v.node.name].ndim == v.rank - 1)
        return lacking if len(lacking) == len(batched) else frozenset()

    def __repr__(self) -> str:
        takes = ", ".join(f"{n}: {t}" for n, t in self.inputs.items())
        gives = ", ".join(f"{n}: {t}" for n, t in self.outputs.items())
        return f"<Model {self.name}({takes}) -> {gives}, on {self.target}>"


def user_inputs(graph: Graph) -> tuple[Value, ...]:
    """The inputs a caller gives: all but those the runtime supplies itself."""
    return tuple(v for v in graph.inputs if not v.node.name.startswith("$"))


def batch_symbol(inputs: Iterable[Value]) -> dims.Dim | None:
    """The symbolic first dim of the first input that has one: the batch."""
    firsts = (v.shape[0] for v in inputs if v.rank)
    return next((d for d in firsts if isinstance(d, dims.Sym) and str(d).isidentifier()), None)
