"""Training a model: one compiled step per call, or whole runs with `fit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from netlang.diagnostics import Diagnostic, NetError
from netlang.ir.graph import Graph, Value
from netlang.ir.module import LOSS, RNG, Call, TrainSpec
from netlang.runtime import nonfinite
from netlang.runtime.arrays import Array, as_array, bind_sizes, by_name
from netlang.runtime.augment import EpochAugmentation, for_evaluation
from netlang.runtime.augment import check as check_augment
from netlang.runtime.bounds import check_bounds, index_bounds
from netlang.runtime.data.dataset import Columns, Dataset, Fitted, batches
from netlang.runtime.data.fitting import fit_to, from_arrays, wanted_image, wanted_length
from netlang.runtime.data.sources import load as load_source
from netlang.runtime.family import Family
from netlang.runtime.fit import Options, Progress, fit
from netlang.runtime.metrics import Means
from netlang.runtime.nonfinite import Replay
from netlang.runtime.parameters import initialise, settle
from netlang.runtime.schedules import Schedule
from netlang.runtime.stepping import Stepping, check_samples

Data = str | Dataset | Fitted | Mapping[str, Array]
"""What `evaluate` and `fit` accept: a source as on the command line, a data set (made to suit the inputs already, or
not yet), or arrays by input name."""


class Runs(Protocol):
    """Compiled code, as far as training calls it."""

    def build(self) -> None: ...

    def run(self, inputs: Mapping[str, Array], params: Mapping[str, Array]) -> dict[str, Array]: ...

    def planned_bytes(self, sizes: Mapping[str, int]) -> int: ...


@dataclass(frozen=True)
class Programs:
    """What the driver compiles for training.

    `net` is the net as models call it, `graph` the whole training step before fusion; `step` and `evaluation` are
    compiled; `replay` runs a graph on the reference backend, to explain a loss that is not finite. `source` is a hash
    of the `.net` text.
    """

    spec: TrainSpec
    net: Graph
    graph: Graph
    step: Runs
    evaluation: Runs
    replay: Replay
    target: str
    source: str


class Trainer(Stepping):
    """Trains the weights of a model in place. Made by `Model.trainer`.

    step = model.trainer(seed=0)
    loss = step(image=x, label=y)

    Attributes: see `Stepping`. `fit` advances the epoch; a loop of one's own calls `next_epoch`.
    """

    def __init__(self, programs: Programs, family: Family, seed: int) -> None:
        self.programs = programs
        self.spec = programs.spec
        self.family = family
        schedule = Schedule(self.spec.schedule, float(self.spec.optimizer["lr"]))
        super().__init__(seed, schedule, any(v.node.name == RNG for v in programs.graph.inputs))
        if not family.ready:
            family.init(self.seed)
        named = {p.node.name: p for g in (programs.net, programs.graph, self.spec.evaluation) for p in g.params}
        self.store = family.store(named.values(), self.spec.names)
        self._private = [p for p in named.values() if p.node.name not in self.store]
        initialise(self._private, seed, self.store)
        self.inputs = tuple(v for v in programs.graph.inputs if not v.node.name.startswith("$"))
        self.bounds = index_bounds(self.spec.graph)
        self._evaluation_inputs = {v.node.name for v in self.spec.evaluation.inputs}

    def __call__(self, *args: Any, **named: Any) -> float:
        """One step on a batch of any size: forward, backward, update. Returns the loss.

        Takes the net's inputs and the targets, in order or by keyword. Raises NetError for a wrong name, type, shape
        or label, and where the loss is NaN or infinite; the weights are then as they were before the call.
        """
        given = by_name(self.inputs, args, named, "the trainer")
        arrays = {v.node.name: as_array(given[v.node.name], v.type, f"input '{v.node.name}'") for v in self.inputs}
        check_samples(bind_sizes(self.inputs, {n: a.shape for n, a in arrays.items()}))
        check_bounds(self.bounds, arrays)
        return self.step(arrays)

    def __reduce__(self) -> Any:
        raise TypeError(
            "a Trainer holds machine code and cannot be copied or pickled; fit() with an `out` folder keeps a "
            "checkpoint of it"
        )

    def step(self, arrays: dict[str, Array]) -> float:
        """One step on arrays that are known to suit the inputs."""
        arrays = self.fed(arrays)
        outputs = self.programs.step.run(arrays, self.store)
        self.values = {name: float(value) for name, value in outputs.items()}
        loss = self.values[LOSS]
        if not np.isfinite(loss):
            raise NetError(self._explained(arrays))
        self.steps += 1
        return loss

    # ---- what `fit` asks of a training

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def batch(self) -> int:
        return self.spec.batch

    @property
    def epochs(self) -> int:
        return self.spec.epochs

    @property
    def stop(self) -> Call | None:
        return self.spec.stop

    @property
    def chief(self) -> str:
        """What says which weights are best: the first metric, or the loss."""
        return self.spec.metrics[0] if self.spec.metrics else LOSS

    def check(self, data: Fitted) -> None:
        """Raise NetError for data that the augmentations of the `train` section cannot be applied to."""
        check_augment(self.spec.augment, {n: a.shape[1:] for n, a in data.train.arrays.items()})

    def begin_epoch(self, data: Fitted, epoch: int) -> None:
        """The next rows are of this epoch (from 0) of this data."""
        self._data = data.train
        self._transform = EpochAugmentation(self.spec.augment, self.seed, epoch, len(data.train))

    def train(self, rows: Array, at: slice, epoch: float) -> None:
        """A step on some rows of the epoch's data, which are those `at` this place of it."""
        self.epoch = epoch
        self.step(self._transform(self._data.take(rows), at))

    def end_epoch(self, judged: Mapping[str, float]) -> None:
        self.next_epoch(judged[LOSS])

    def rates(self) -> dict[str, float]:
        return {"learning_rate": self.learning_rate}

    def judge(self, data: Fitted, batch: int) -> dict[str, float]:
        """Means over the held-out samples, if there are any."""
        return self.measure(data.test, batch) if len(data.test) else {}

    def private(self) -> dict[str, tuple[Value, Array]]:
        """What it keeps besides the weights of the nets: the optimiser's state, layers of the `train` section alone."""
        return {p.node.name: (p, self.store[p.node.name]) for p in self._private}

    def build(self) -> None:
        """Generate all code now, rather than at the first step and the first evaluation."""
        self.programs.step.build()
        self.programs.evaluation.build()

    def evaluate(self, data: Data, batch: int | None = None) -> dict[str, float]:
        """Mean loss and metrics in evaluation mode: of the held-out samples of a data set, or of all given arrays."""
        fitted = self.fitted(data)
        return self.measure(fitted.test if len(fitted.test) else fitted.train, batch or self.spec.batch)

    def measure(self, columns: Columns, batch: int) -> dict[str, float]:
        """Mean loss and metrics over samples that suit the inputs. Random nodes draw the same numbers every time."""
        means = Means()
        wanted = (LOSS, *self.spec.metrics)
        for number, rows in batches(len(columns), batch):
            arrays = for_evaluation(self.spec.augment, columns.take(rows))
            arrays = {n: a for n, a in arrays.items() if n in self._evaluation_inputs}
            if RNG in self._evaluation_inputs:
                # Not those of any step: a seed of a trainer is not negative.
                arrays[RNG] = np.array((-1 - self.seed, number), np.int64)
            outputs = self.programs.evaluation.run(arrays, self.store)
            means.add({n: float(outputs[n]) for n in wanted}, rows.stop - rows.start)
        return means.values()

    def fit(self, data: Data, options: Options | None = None, progress: Progress | None = None) -> dict[str, Any]:
        """Train for the epochs of the `train` section; returns the last epoch's record. See `netlang.runtime.fit`."""
        return fit(self, self.fitted(data), options or Options(), progress or Progress())

    def fitted(self, data: Data) -> Fitted:
        """Data made to suit the inputs, every label checked."""
        if isinstance(data, Fitted):
            return data
        if isinstance(data, str):
            data = load_source(data, wanted_image(self.inputs, self.spec.targets), wanted_length(self.inputs))
        elif not isinstance(data, Dataset):
            data = from_arrays(data)
        fitted = fit_to(data, self.inputs, self.spec.targets)
        for part, which in ((fitted.train, "training"), (fitted.test, "held-out")):
            if len(part):
                bind_sizes(self.inputs, {n: (1, *a.shape[1:]) for n, a in part.arrays.items()})
                check_bounds(self.bounds, part.arrays, _whereabouts(fitted, which))
        return fitted

    def _explained(self, arrays: Mapping[str, Array]) -> Diagnostic:
        settle()
        found = nonfinite.explain(self.programs.graph, arrays, self.store, self.programs.replay)
        note = f"in step {self.steps + 1} at learning rate {self.learning_rate:g}; the weights were left as they were"
        return Diagnostic(found.message, found.spans, notes=(note,))


def _whereabouts(data: Fitted, which: str) -> list[str]:
    """Notes on what the number of a sample in a data set means."""
    split = f" ({data.held_out} is held out)" if data.held_out.startswith("every") else ""
    counted = f"counted from 0 among the {which} samples of {data.name}{split}"
    classes = [f"{data.name} has {len(data.classes)} classes"] if data.classes else []
    vocabulary = [f"{data.name} has a vocabulary of {len(data.vocabulary)}"] if data.vocabulary else []
    return [counted, *classes, *vocabulary]
