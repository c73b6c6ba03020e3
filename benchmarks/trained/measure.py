"""Trained networks imported and compiled for cpu, beside onnxruntime on the same file."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import netlang
from benchmarks.trained.models import Call, Feeds, Reached, Trained
from netlang.cli.bench import turns
from netlang.interchange.importing import import_onnx
from netlang.runtime.ports import Array

OWN, PEERS = "netlang", ("onnxruntime", "onnxruntime, no spinning")


@dataclass(frozen=True)
class Measured:
    """What an imported network reached, its lines of text, and medians in seconds of calls by who and threads."""

    reached: Reached
    lines: int
    medians: dict[tuple[str, int], float]


def measured(trained: Trained, threads: tuple[int, ...], seconds: float) -> Measured:
    """Raises AssertionError where onnxruntime and netlang differ on the input that is timed."""
    with tempfile.TemporaryDirectory() as place:
        call, lines = own(trained, Path(place), max(threads))
        reached = trained.examine(call)
        medians: dict[tuple[str, int], float] = {}
        for count in threads:
            call, _ = own(trained, Path(place), count)
            medians |= {(who, count): t for who, t in _timed(call, trained, count, seconds).items()}
    return Measured(reached, lines, medians)


def own(trained: Trained, place: Path, threads: int) -> tuple[Call, int]:
    """The network compiled for cpu, called by the names of its file; and the lines of its text."""
    found = import_onnx(trained.path)
    found.write(place / "net.net")
    model = netlang.compile(place / "net.net", threads=threads).load_weights(place / "net.safetensors").freeze()
    names = list(found.outputs.items())

    def call(feeds: Feeds) -> dict[str, Array]:
        answer = model(**{found.inputs[name]: array for name, array in feeds.items()})
        return {names[0][0]: answer} if len(names) == 1 else {theirs: answer[ours] for theirs, ours in names}

    return call, len(found.text.splitlines())


def _timed(call: Call, trained: Trained, threads: int, seconds: float) -> dict[str, float]:
    feeds = trained.sample()
    functions: dict[str, Callable[[], Any]] = {OWN: lambda: call(feeds)}
    answers = call(feeds)
    for peer in PEERS if threads > 1 else PEERS[:1]:
        run = _onnxruntime(trained.path, threads, peer == PEERS[0])
        for name, array in run(feeds).items():
            np.testing.assert_allclose(answers[name], array, rtol=1e-3, atol=1e-4, err_msg=f"{trained.title}: {name}")
        functions[peer] = lambda run=run: run(feeds)  # type: ignore[misc]
    return {who: statistics.median(times) for who, times in turns(functions, seconds).items()}


def _onnxruntime(path: Path, threads: int, spin: bool) -> Call:
    """A session at its best: initialisers that a file lists as inputs too are constants, so that they can be folded."""
    import onnx
    import onnxruntime

    model = onnx.load(path)
    constants = {t.name for t in model.graph.initializer}
    kept = [i for i in model.graph.input if i.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    options.log_severity_level = 3  # initialisers that nothing reads are no news
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda feeds: dict(zip(names, session.run(names, dict(feeds)), strict=True))
