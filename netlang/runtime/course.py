"""A whole training: the `train` sections of a file, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from netlang.diagnostics import NetError
from netlang.runtime import checkpoint
from netlang.runtime.fit import CHECKPOINT, Options, Progress
from netlang.runtime.model import Model
from netlang.runtime.trainer import Data
from netlang.runtime.turns import chosen_phase


def train(
    model: Model,
    data: Data,
    options: Options | None = None,
    progress: Progress | None = None,
    *,
    seed: int = 0,
    memory: int | None = None,
    phases: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Carry out `train` sections in the order of the text, all of them or those named; returns the last record.

    Each goes on with the weights that the one before has left. To resume means to go on in the section whose
    checkpoint is there. Raises NetError as `Model.trainer` and `Trainer.fit` do.
    """
    options = options or Options()
    names = [chosen_phase(model.module, name) for name in phases or model.module.order]
    if not names:
        chosen_phase(model.module, None)
    first = _interrupted(names, options) if options.resume else 0
    record: dict[str, Any] = {}
    for place, name in enumerate(names[first:], first):
        training = model.training(seed, memory, name)
        here = replace(options, resume=options.resume and place == first, append=place > 0)
        record = training.fit(data, here, progress or Progress())
    return record


def _interrupted(names: Sequence[str], options: Options) -> int:
    """The place of the section in which the checkpoint was made; 0 where there is none."""
    if options.out is None or not (options.out / CHECKPOINT).exists():
        return 0
    path = options.out / CHECKPOINT
    name = checkpoint.phase_of(path)
    if name not in names:
        what = f"the train section '{name}'" if name else "the only train section of a file"
        raise NetError(f"cannot resume from {path}: it was made in {what}", hint=f"now it is {', '.join(names)}")
    return names.index(name)
