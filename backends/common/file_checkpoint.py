"""Checkpoints of what learns from a file; what is in one says `netlang.runtime.artifact.checkpoints`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from math import isfinite, isnan

import numpy as np

from netlang.backends.common.learning import Learning
from netlang.backends.common.step import Step
from netlang.diagnostics import NetError
from netlang.runtime.artifact.checkpoints import COUNTS, FORMAT, RATES, metadata, name_of, tensors
from netlang.runtime.ports import Array
from netlang.runtime.stepping import counted
from netlang.runtime.tensor_file import (
    CHECKPOINT_ENTRY,
    TensorFile,
    check_fits,
    open_tensors,
    read_tensors,
    write_tensors,
)


def save(path: str | os.PathLike[str], learning: Learning) -> None:
    """Write a checkpoint, whole or not at all."""
    arrays, steps = _kept(learning), dict(learning.steps)
    with learning.gate.reading():
        learning.machine.settle()
        for name, step in steps.items():
            arrays |= _progress(name, step)
        wanted = tensors(learning.said)
        write_tensors(
            path, {n: (w.dtype, arrays[n]) for n, w in wanted.items()}, metadata(learning.source, learning.seed)
        )


def load(path: str | os.PathLike[str], learning: Learning) -> None:
    """Go on where `save` was. Raises NetError, and changes nothing, for what is not of this file."""
    file, arrays, steps = open_tensors(path), _kept(learning), dict(learning.steps)
    _check_identity(file, learning)
    check_fits(file, tensors(learning.said))
    stood = {key: array for name in steps for key, array in _blank(name).items()}
    read_tensors(file, stood)
    for name in steps:
        _check_progress(file.path, stood[name_of(name, COUNTS)], stood[name_of(name, RATES)])
    with learning.changing():
        read_tensors(file, arrays)
        for name, step in steps.items():
            (taken, bad), (epoch, scale, best) = (stood[name_of(name, key)].tolist() for key in (COUNTS, RATES))
            step.go_on({"steps": taken, "scale": scale, "plateau": {"best": best, "bad": bad}}, epoch)


def _check_identity(file: TensorFile, learning: Learning) -> None:
    text = file.metadata.get(CHECKPOINT_ENTRY)
    if text is None:
        raise NetError(f"{file.path} holds weights but is not a checkpoint: it does not say where its steps stood")
    try:
        record = json.loads(text)
        found = record["format"]
    except (ValueError, LookupError, TypeError, RecursionError) as fault:
        raise NetError(f"the header of checkpoint {file.path} is damaged: {fault}") from fault
    if found != FORMAT:
        hint = "checkpoints of netc train are for netc train --resume"
        raise NetError(f"{file.path} is a checkpoint of format {found}, this one reads {FORMAT}", hint=hint)
    if file.metadata != metadata(learning.source, learning.seed):
        raise NetError(f"{file.path} is a checkpoint of another file: its source or its seed differ")


def _check_progress(path: str, counts: Array, rates: Array) -> None:
    try:
        for count in counts.tolist():
            counted(count)
        epoch, scale, best = rates.tolist()
        if not isfinite(epoch) or epoch < 0 or not isfinite(scale) or isnan(best):
            raise ValueError(f"{rates.tolist()} are no epochs, factor and loss")
    except ValueError as fault:
        raise NetError(f"checkpoint {path} is damaged: {fault}") from fault


def _kept(learning: Learning) -> dict[str, Array]:
    """All arrays but the progress of steps."""
    found = {name: array for name, (_, array) in learning.weights.items()}
    for name in learning.names:
        found |= {name_of(name, key): array for key, (_, array) in learning.private(name).items()}
    return found


def _progress(name: str, step: Step) -> Mapping[str, Array]:
    watch = step.schedule.watch
    return {
        name_of(name, COUNTS): np.array([step.steps, watch.bad], np.int64),
        name_of(name, RATES): np.array([step.epoch, step.schedule.scale, watch.best], np.float64),
    }


def _blank(name: str) -> Mapping[str, Array]:
    return {name_of(name, COUNTS): np.zeros(2, np.int64), name_of(name, RATES): np.zeros(3, np.float64)}
