"""The loop over epochs: shuffling, augmentation, evaluation, checkpoints, early stop, a log.

Everything that decides the result is a function of the seed and the place in the run, and everything else is in the
checkpoint, so a run that was interrupted or killed continues to the very same weights.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlang.diagnostics import NetError
from netlang.runtime import checkpoint
from netlang.runtime.data.dataset import Fitted, batches, order
from netlang.runtime.files import make_folder, replacing
from netlang.runtime.interruption import noted
from netlang.runtime.metrics import Means, as_cost
from netlang.runtime.parameters import Store
from netlang.runtime.schedules import Watch
from netlang.runtime.stepping import counted, watched

if TYPE_CHECKING:
    from netlang.runtime.model import Training

CHECKPOINT, WEIGHTS, BEST, LOG = "checkpoint.safetensors", "weights.safetensors", "best.safetensors", "log.jsonl"
SECONDS_BETWEEN_CHECKPOINTS = 30.0

Record = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """How a run is carried out.

    epochs              in place of the `train` section's
    out                 folder for weights, checkpoint and log; None keeps nothing
    resume              go on from the checkpoint in `out`, if there is one
    checkpoint_every    steps between checkpoints within an epoch; None: one every 30 seconds
    append              keep the log that is in `out`: it is that of an earlier `train` section
    """

    epochs: int | None = None
    out: Path | None = None
    resume: bool = False
    checkpoint_every: int | None = None
    append: bool = False


class Progress:
    """What a run reports. This one is silent; the command line has one that draws."""

    def compiling(self, target: str) -> None:
        """Code is about to be generated for `target`, which may take seconds."""

    def begin(self, fitted: Fitted, epochs: int, batches: int, resumed: bool, phase: str = "") -> None:
        """Training starts, with so many batches an epoch; `phase` names the `train` section where there are several."""

    def step(self, epoch: int, batch: int, means: Mapping[str, float], samples: int) -> None:
        """Batch number `batch` (from 0) of epoch `epoch` (from 1) is done; the means are of the epoch so far."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is over; `record` is its line of the log."""

    def end(self, record: Mapping[str, Any]) -> None:
        """Training is over; `record` is that of the last epoch."""


class Interrupted(KeyboardInterrupt):
    """Training was interrupted between two steps; `saved` is the checkpoint to resume from, if one is kept."""

    def __init__(self, saved: Path | None) -> None:
        super().__init__("interrupted")
        self.saved = saved


@dataclass
class Place:
    """Where a run stands: all of its state besides the arrays."""

    epoch: int = 0
    """Epochs completed."""
    batch: int = 0
    """Batches of the current epoch completed."""
    means: Means = field(default_factory=Means)
    best: Watch = field(default_factory=Watch)
    stop: Watch = field(default_factory=Watch)
    training: dict[str, Any] = field(default_factory=dict)
    """The state of the trainer, or of those that take turns."""
    logged: int = 0
    """Lines of the log that are of earlier `train` sections."""
    stopped: bool = False
    record: Record = field(default_factory=dict)
    """The log line of the last epoch completed."""

    @staticmethod
    def restored(found: Mapping[str, Any]) -> Place:
        """The place that `asdict` gave. Raises KeyError, TypeError or ValueError for anything else."""
        sums = {str(name): float(total) for name, total in dict(found["means"]["sums"]).items()}
        counts = {str(name): counted(number) for name, number in dict(found["means"]["counts"]).items()}
        return Place(
            epoch=counted(found["epoch"]),
            batch=counted(found["batch"]),
            means=Means(sums, counts, counted(found["means"]["samples"])),
            best=watched(found["best"]),
            stop=watched(found["stop"]),
            training=dict(found["training"]),
            logged=counted(found["logged"]),
            stopped=bool(found["stopped"]),
            record=dict(found["record"]),
        )


def fit(trainer: Training, data: Fitted, options: Options, progress: Progress) -> Record:
    """Train to the last epoch. Returns its log record: epoch, loss, metrics, the same of the test, rate, seconds.

    Raises NetError for faults of the data, the file system and the loss, Interrupted after Ctrl-C.
    """
    return _Run(trainer, data, options, progress).run()


class _Run:
    def __init__(self, trainer: Training, data: Fitted, options: Options, progress: Progress) -> None:
        self.trainer, self.data, self.options, self.progress = trainer, data, options, progress
        self.size = trainer.batch
        self.count = len(data.train)
        self.batches = -(-self.count // self.size)
        self.epochs = trainer.epochs if options.epochs is None else options.epochs
        self.out = make_folder(options.out) if options.out is not None else None
        self.place = Place()
        self.saved_at = time.monotonic()
        trainer.check(data)
        self.identity = {
            "source": trainer.programs.source,
            "data": data.train.digest(),
            "seed": trainer.seed,
            "batch": self.size,
            "target": trainer.programs.target,
            "phase": trainer.name,
        }

    def run(self) -> Record:
        resumed = self._resume() if self.options.resume else False
        if self.out is not None:
            self._begin_log(resumed)
        self.progress.compiling(self.trainer.programs.target)
        self.trainer.build()
        self.progress.begin(self.data, self.epochs, self.batches, resumed, self.trainer.name)
        with noted() as interrupted:
            while self.place.epoch < self.epochs and not self.place.stopped:
                self._epoch(interrupted)
        self._save_weights(WEIGHTS)
        self.progress.end(self.place.record)
        return self.place.record

    def _epoch(self, interrupted: Callable[[], bool]) -> None:
        place, trainer = self.place, self.trainer
        started, seen = time.monotonic(), place.means.samples
        rows_in_order = order(trainer.seed, place.epoch, self.count)
        trainer.begin_epoch(self.data, place.epoch)
        for number, rows in batches(self.count, self.size, place.batch):
            trainer.train(rows_in_order[rows], rows, place.epoch + number / self.batches)
            place.means.add(trainer.values, rows.stop - rows.start)
            place.batch = number + 1
            self.progress.step(place.epoch + 1, number, place.means.values(), place.means.samples)
            if interrupted():
                raise Interrupted(self._save_checkpoint())
            if place.batch < self.batches and self._is_due():
                self._save_checkpoint()
        seconds = time.monotonic() - started
        self._close_epoch(seconds, (place.means.samples - seen) / seconds if seconds else 0.0)

    def _close_epoch(self, seconds: float, speed: float) -> None:
        place, trainer = self.place, self.trainer
        rates = trainer.rates()
        trained = place.means.values()
        held_out = trainer.judge(self.data, self.size)
        judged = {**trained, **held_out}
        place.record = {
            **({"phase": trainer.name} if trainer.name else {}),
            "epoch": place.epoch + 1,
            **trained,
            **{f"test_{name}": value for name, value in held_out.items()},
            **rates,
            "seconds": round(seconds, 3),
            "samples_per_second": round(speed, 1),
        }
        place.epoch, place.batch, place.means = place.epoch + 1, 0, Means()
        trainer.end_epoch(judged)
        place.stopped = self._is_enough(judged)
        chief = trainer.chief
        if chief in judged and place.best.see(as_cost(chief, judged[chief])):
            self._save_weights(BEST)
        # The log first: resuming drops the lines that the checkpoint does not know of.
        if self.out is not None:
            self._append_log(place.record)
        self._save_checkpoint()
        self.progress.epoch(place.record)

    def _is_enough(self, judged: Mapping[str, float]) -> bool:
        """Whether the early stop of the `train` section ends the run here."""
        stop = self.trainer.stop
        if stop is None:
            return False
        monitor = str(stop["monitor"])
        self.place.stop.see(as_cost(monitor, judged[monitor]))
        return bool(self.place.stop.bad >= stop["patience"])

    def _is_due(self) -> bool:
        if self.out is None:
            return False
        if self.options.checkpoint_every is not None:
            return self.place.batch % self.options.checkpoint_every == 0
        return time.monotonic() - self.saved_at > SECONDS_BETWEEN_CHECKPOINTS

    def _save_weights(self, name: str) -> None:
        if self.out is not None:
            self.trainer.family.save(self.out / name, self.trainer.programs.net.name)

    def _save_checkpoint(self) -> Path | None:
        if self.out is None:
            return None
        path = self.out / CHECKPOINT
        self.place.training = self.trainer.progress()
        checkpoint.save(path, self._arrays(), self.identity, asdict(self.place))
        self.saved_at = time.monotonic()
        return path

    def _resume(self) -> bool:
        """Put everything back to where the checkpoint in `out` has it; False if there is none yet."""
        if self.out is None or not (self.out / CHECKPOINT).exists():
            return False
        trainer, path = self.trainer, self.out / CHECKPOINT
        wanted = {p.node.name: p for p in trainer.family.params} | {n: p for n, (p, _) in trainer.private().items()}
        before = trainer.progress()
        try:
            self.place = checkpoint.load(path, wanted, self._arrays(), self.identity, self._restored)
        except NetError:
            trainer.go_on(before, 0)
            raise
        trainer.family.ready = True
        return True

    def _arrays(self) -> Store:
        """All that a checkpoint holds: the weights of the nets, and what the training keeps besides."""
        private = {name: array for name, (_, array) in self.trainer.private().items()}
        return Store({**self.trainer.family.arrays, **private})

    def _restored(self, found: Mapping[str, Any]) -> Place:
        place = Place.restored(found)
        if place.batch >= self.batches:
            raise ValueError(f"batch {place.batch} of {self.batches}")
        self.trainer.go_on(place.training, place.epoch)
        return place

    def _begin_log(self, resumed: bool) -> None:
        """Begin the log anew, with the lines of the one that is there that this run goes on from."""
        assert self.out is not None
        path = self.out / LOG
        goes_on = resumed or self.options.append
        try:
            old = path.read_text(encoding="utf-8").splitlines() if goes_on and path.exists() else []
        except (OSError, UnicodeDecodeError) as fault:
            raise NetError(f"cannot read {path}: {fault}") from fault
        if not resumed:
            self.place.logged = len(old)
        with replacing(path) as temporary:
            kept = old[: self.place.logged + self.place.epoch]
            temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def _append_log(self, record: Mapping[str, Any]) -> None:
        assert self.out is not None
        path = self.out / LOG
        try:
            with path.open("a", encoding="utf-8") as log:
                log.write(json.dumps(record) + "\n")
        except OSError as fault:
            raise NetError(f"cannot write {path}: {fault.strerror or fault}") from fault
