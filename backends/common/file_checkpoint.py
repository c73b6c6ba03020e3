"""Checkpoints of what learns from a file: weights, what steps keep, and where they stand, in one safetensors file.

The header's `netlang` entry is a JSON record: `identity` says of which file it is, `progress` where each step stands.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from math import isfinite
from typing import Any

from netlang.backends.common.learning import Kept, Learning, wanted
from netlang.diagnostics import NetError
from netlang.runtime.tensor_file import CHECKPOINT_ENTRY, check_fits, open_tensors, read_tensors, write_tensors

FORMAT = "file 1"
"""Not that of `netc train`, whose checkpoints say which data a run stands in."""

_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


def save(path: str | os.PathLike[str], learning: Learning, source: str) -> None:
    """Write a checkpoint, whole or not at all; `source` is the hash of the `.net` text."""
    kept, steps = _kept(learning), dict(learning.steps)
    with learning.gate.reading():
        learning.machine.settle()
        progress = {name: {**step.progress(), "epoch": step.epoch} for name, step in steps.items()}
        record = {"format": FORMAT, "identity": _identity(learning, source), "progress": progress}
        tensors = {name: (place[0], array) for name, (place, array) in kept.items()}
        write_tensors(path, tensors, {CHECKPOINT_ENTRY: json.dumps(record)})


def load(path: str | os.PathLike[str], learning: Learning, source: str) -> None:
    """Go on where `save` was. Raises NetError, and changes nothing, for what is not of this file."""
    file, kept = open_tensors(path), _kept(learning)
    record = _record(file.path, file.metadata.get(CHECKPOINT_ENTRY))
    if record["identity"] != _identity(learning, source):
        raise NetError(f"{path} is a checkpoint of another file: its source or its seed differ")
    check_fits(file, wanted(kept))
    with learning.changing():
        _go_on(file.path, learning, record["progress"])
        read_tensors(file, {name: array for name, (_, array) in kept.items()})


def _go_on(path: str, learning: Learning, progress: Mapping[str, Any]) -> None:
    """All steps, or none."""
    before = [(step, step.progress(), step.epoch) for step in learning.steps.values()]
    try:
        for name, step in learning.steps.items():
            epoch = float(progress[name]["epoch"])
            if not isfinite(epoch) or epoch < 0:
                raise ValueError(f"{epoch} is no number of epochs")
            step.go_on(progress[name], epoch)
    except _DAMAGE as fault:
        for step, state, epoch in before:
            step.go_on(state, epoch)
        raise _damaged(path, fault) from fault


def _record(path: str, text: str | None) -> Mapping[str, Any]:
    if text is None:
        raise NetError(f"{path} holds weights but is not a checkpoint: it does not say where its steps stood")
    try:
        record = json.loads(text)
        if record["format"] != FORMAT:
            hint = "checkpoints of netc train are for netc train --resume"
            raise NetError(f"{path} is a checkpoint of format {record['format']}, this one reads {FORMAT}", hint=hint)
        if not (isinstance(record["identity"], dict) and isinstance(record["progress"], dict)):
            raise TypeError("identity and progress are records")
    except _DAMAGE as fault:
        raise _damaged(path, fault) from fault
    return dict(record)


def _identity(learning: Learning, source: str) -> dict[str, Any]:
    return {"source": source, "seed": learning.seed}


def _kept(learning: Learning) -> Kept:
    """All that a checkpoint holds."""
    found = dict(learning.weights)
    for name in learning.names:
        for key, kept in learning.private(name).items():
            found[f"{name}:{key}" if name else key] = kept
    return found


def _damaged(path: str, fault: Exception) -> NetError:
    reason = f"it lacks {fault}" if isinstance(fault, KeyError) else str(fault)
    return NetError(f"the header of checkpoint {path} is damaged: {reason}")
