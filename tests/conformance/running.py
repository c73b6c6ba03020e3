"""One case on one backend: imported, compiled, run, compared."""

from __future__ import annotations

import os
import re
import signal
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import netlang
from netlang.diagnostics import NetError
from netlang.interchange.importing import Imported, NeededValue, import_onnx
from netlang.interchange.proto import array_of
from netlang.runtime.ports import Array
from tests.conformance.cases import Case

_PATH = re.compile(r"^\S+/model\.(onnx|net):? ?")
LIMIT = 60
"""Seconds that a case may take."""
_VALUES = 12
"""Inputs that may have to be given their values one after the other."""


@dataclass(frozen=True)
class Outcome:
    """What came of a case. `reason` is empty where it passed; `given` are inputs that the import was told the values
    of, because an operator has to know them to know a shape."""

    group: str
    name: str
    target: str
    operators: tuple[str, ...]
    reason: str = ""
    given: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.reason

    @property
    def family(self) -> str:
        """The operator that a case of one node is about; otherwise what its name says."""
        return self.operators[0] if len({*self.operators}) == 1 else f"{self.group}: several operators"


def carried_out(case: Case, target: str, seconds: float = LIMIT) -> Outcome:
    """Carry a case out, in the main thread of a process. Whatever goes wrong is in the outcome."""
    import onnx

    model = onnx.ModelProto.FromString(case.model)
    operators = tuple(node.op_type for node in model.graph.node)
    start, given, reason = time.perf_counter(), (), ""
    try:
        assert case.sets, "there is no data to run it on"
        with _limited(seconds):
            for inputs, outputs in case.sets:
                given = _set(case, model, _arrays(inputs), _arrays(outputs), target)
    except NetError as fault:
        reason = _PATH.sub("", fault.diagnostics[0].message)
    except AssertionError as fault:
        reason = _short(str(fault) or "assertion failed")
    except Exception as fault:  # a fault of netlang itself is told as one
        if os.environ.get("NETLANG_TRACEBACK"):
            traceback.print_exc()
        reason = f"internal: {type(fault).__name__}: {_short(str(fault))}"
    return Outcome(case.group, case.name, target, operators, reason, given, time.perf_counter() - start)


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raises AssertionError where that takes longer."""

    def stop(number: int, frame: object) -> None:
        raise AssertionError(f"it took more than {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _arrays(messages: tuple[bytes, ...]) -> list[Array]:
    import onnx

    return [array_of(onnx.TensorProto.FromString(m), None) for m in messages]


def _set(case: Case, model: Any, inputs: list[Array], expected: list[Array], target: str) -> tuple[str, ...]:
    """Run one set of data and compare; returns the inputs whose values the import had to know."""
    constants = {t.name for t in model.graph.initializer}
    feeds = dict(zip([i.name for i in model.graph.input if i.name not in constants], inputs, strict=False))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(case.model)
        found, given = _imported(path, feeds)
        answers = dict(found.empty)
        if found.outputs:
            found.write(path.with_suffix(".net"))
            answers |= _run(path, found, feeds, target)
    assert expected, "there is no answer to compare with"
    for port, wanted in zip(model.graph.output, expected, strict=False):
        _compare(port.name, answers[port.name], wanted, case)
    return tuple(given)


def _imported(path: Path, feeds: Mapping[str, Array]) -> tuple[Imported, dict[str, Array]]:
    given: dict[str, Array] = {}
    for _ in range(_VALUES):
        try:
            return import_onnx(path, values=given), given
        except NeededValue as fault:
            if fault.name not in feeds or fault.name in given:
                raise
            given[fault.name] = feeds[fault.name]
    raise AssertionError(f"more than {_VALUES} inputs had to be known")


def _run(path: Path, found: Imported, feeds: Mapping[str, Array], target: str) -> dict[str, Array]:
    model = netlang.compile(path.with_suffix(".net"), target=target, threads=1)
    if found.weights:
        model.load_weights(path.with_suffix(".safetensors"))
    result = model(**{ours: feeds[theirs] for theirs, ours in found.inputs.items()})
    named = {next(iter(found.outputs.values())): result} if len(found.outputs) == 1 else result
    return {theirs: named[ours] for theirs, ours in found.outputs.items()}


def _compare(name: str, got: Array, wanted: Array, case: Case) -> None:
    assert got.dtype == wanted.dtype, f"output '{name}' has elements {got.dtype}, expected {wanted.dtype}"
    assert got.shape == wanted.shape, f"output '{name}' is {list(got.shape)}, expected {list(wanted.shape)}"
    if wanted.dtype.kind in "biu":
        wrong = int(np.count_nonzero(got != wanted))
        assert not wrong, f"output '{name}': {wrong} of {wanted.size} elements differ"
        return
    left, right = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    close = np.isclose(left, right, rtol=case.rtol, atol=case.atol, equal_nan=True)
    if not close.all():
        with np.errstate(invalid="ignore"):
            most = np.nanmax(np.abs(left - right))
        raise AssertionError(f"output '{name}': {np.count_nonzero(~close)} of {close.size} differ, by up to {most:.3g}")


def _short(text: str) -> str:
    return (text.splitlines() or [""])[0][:160]
