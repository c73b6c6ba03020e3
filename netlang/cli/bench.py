"""netc bench: how long a net takes on this machine, by itself.

`benchmarks/` in the repository compares with other frameworks, with the same clock.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from netlang.backends.base import Profiled
from netlang.cli.arguments import (
    Verbs,
    add_net,
    add_options,
    add_sizes,
    add_target,
    backend_of,
    module_of,
    seconds,
    sizes_of,
    sizes_text,
    verb,
)
from netlang.cli.graphs import CLEANED
from netlang.cli.output import bytes_text, number, table
from netlang.diagnostics import NetError
from netlang.driver import Code, assemble
from netlang.ir import dims
from netlang.ir.graph import Graph
from netlang.ir.work import multiply_adds
from netlang.passes import inference_pipeline
from netlang.passes.manager import PassManager
from netlang.runtime.model import Model
from netlang.runtime.samples import random_inputs
from netlang.runtime.trainer import Trainer

PAUSE = 0.005
"""Seconds of rest before each turn: long enough for the threads of whoever ran before to stop spinning."""
TURN = 0.02
"""Seconds of one turn; a call that takes longer is a turn of its own."""
FEWEST = 3
"""Turns that everybody gets, however long they take."""

_Measured = tuple[str, int, list[float], int, int]
"""What a line is about, its batch, seconds of calls, multiply-adds, bytes of working memory."""

_HEAVY = ("conv", "conv_data_grad", "conv_weight_grad", "matmul")
_COLUMNS = ("what", "batch", "median ms", "fastest ms", "samples/s", "GFLOP/s", "of peak", "working memory")


def add_verbs(verbs: Verbs) -> None:
    new = verb(verbs, "bench", bench, "time a net on random inputs: inference, and a training step with --train")
    add_sizes(new, "1 and 16")
    new.add_argument("--train", action="store_true", help="time a training step too; the file needs a train section")
    new.add_argument("--seconds", type=seconds, default=2.0, metavar="S", help="time for each line (default: 2)")
    add_net(new)
    add_target(new)
    add_options(new)


def bench(args: argparse.Namespace) -> None:
    module = module_of(args)
    if args.train and module.train is None:
        raise NetError(f"{module.source.name} has no train section, so there is no training step to time")
    model = assemble(module, backend_of(args), args.net, args.threads).init(0)
    trainer = model.trainer(0, phase=module.train.name) if args.train and module.train else None
    rows = []
    for batch in (args.batch,) if args.batch else (1, 16):
        sizes = sizes_of(args, model.net, batch)
        rows.append(_inference_row(model, sizes, batch, args.seconds))
        if trainer is not None:
            sizes = sizes_of(args, trainer.programs.graph, batch)
            rows.append(_training_row(trainer, sizes, batch, args.seconds))
    others = {name: size for name, size in sizes.items() if size != batch}
    peak, threads = _peak(model)
    told = "".join([model.name, f" with {sizes_text(others)}" if others else "", f", {threads}" if threads else ""])
    table(told, _COLUMNS, [_row(*row, peak=peak) for row in rows])


def _peak(model: Model) -> tuple[float, str]:
    """FLOP/s that the machine can do on the threads of the model, and how many these are; (0, "") where the backend
    does not say."""
    executable = model.compiled.executable if isinstance(model.compiled, Code) else None
    if not isinstance(executable, Profiled):
        return 0.0, ""
    return executable.peak(), f"{executable.threads} thread{'s' if executable.threads > 1 else ''}"


def turns(functions: Mapping[str, Callable[[], Any]], seconds: float, fewest: int = FEWEST) -> dict[str, list[float]]:
    """Seconds of single calls of each function, called in turn so that drift and neighbours hit all alike.

    Takes about `seconds` for each function, more where the `fewest` turns that everybody gets take longer. The
    functions are expected to be warm. Where a call is short, the first of a turn is not counted: it finds caches that
    others have used.
    """
    samples: dict[str, list[float]] = {name: [] for name in functions}
    start = time.perf_counter()
    rounds = 0
    while rounds < fewest or time.perf_counter() - start < seconds * len(functions):
        for name, function in functions.items():
            time.sleep(PAUSE)
            samples[name] += _turn(function)
        rounds += 1
    return samples


def _turn(function: Callable[[], Any]) -> list[float]:
    found: list[float] = []
    end = time.perf_counter() + TURN
    while (before := time.perf_counter()) < end:
        function()
        found.append(time.perf_counter() - before)
    return found[1:] if len(found) > 1 else found


def work(graph: Graph, sizes: Mapping[str, int]) -> int:
    """Multiply-adds of the convolutions and matrix products of a net or a training step as it is written: what a
    backend saves is not subtracted."""
    tidy = PassManager().run(graph, inference_pipeline(), after=CLEANED)
    return sum(dims.evaluate(multiply_adds(node, _HEAVY), sizes) for node in tidy.nodes)


def _inference_row(model: Model, sizes: Mapping[str, int], batch: int, seconds: float) -> _Measured:
    given = random_inputs(model.net, sizes)
    model(**given)
    times = turns({"": lambda: model(**given)}, seconds)[""]
    return "inference", batch, times, work(model.net, sizes), model.compiled.planned_bytes(sizes)


def _training_row(trainer: Trainer, sizes: Mapping[str, int], batch: int, seconds: float) -> _Measured:
    step = trainer.programs.graph
    names = {value.node.name for value in trainer.inputs}
    given = {name: array for name, array in random_inputs(step, sizes).items() if name in names}
    trainer(**given)
    times = turns({"": lambda: trainer(**given)}, seconds)[""]
    memory = trainer.programs.step.planned_bytes(sizes)
    return "training step", batch, times, work(step, sizes), memory


def _row(what: str, batch: int, times: list[float], madds: int, memory: int, peak: float) -> tuple[str, ...]:
    median = statistics.median(times)
    rate = 2 * madds / median
    figures = (median * 1e3, min(times) * 1e3, batch / median, rate / 1e9)
    share = f"{rate / peak:.0%}" if peak else "-"
    return (what, str(batch), *map(number, figures), share, bytes_text(memory))
