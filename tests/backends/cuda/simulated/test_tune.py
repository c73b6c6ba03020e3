"""Tuning for a GPU, on a simulated one whose clock says what the tests want."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netlang import NetError
from netlang.backends.base import Options, Tunable, Tuning
from netlang.backends.common.choices import Choices, Trial
from netlang.backends.cuda import Cuda, remembered, tune
from netlang.backends.cuda.backend import lowered
from netlang.backends.cuda.device import Launched
from netlang.backends.cuda.simulator.device import Simulator
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.reference import Reference
from netlang.cli import main
from netlang.driver import tune_net, tune_training
from netlang.frontend import load
from netlang.ir.graph import Graph
from netlang.passes import inference_pipeline, training_pipeline
from netlang.passes.manager import PassManager
from netlang.passes.optimizer import training_step
from netlang.runtime.parameters import Store, settle, touch
from netlang.runtime.samples import initial_params, random_inputs
from tests.backends.compared import assert_same

NET = """net small {
  input x: f32[N, 96]
  output y = x -> dense(24) -> relu -> dense(12)
}
"""
SIZES = {"N": 4}


@dataclass
class Watch:
    """What a clock of `Machine` says of groups of launches."""

    groups: Sequence[Sequence[Launched]]
    cost: Callable[[str], float]

    def seconds(self) -> list[float]:
        return [sum(self.cost(launched.kernel.key) for launched in group) for group in self.groups]


class Machine(Simulator):
    """Its kernels take what `cost` says of their keys, and the time is right at once; `watches` were asked for."""

    def __init__(self, cost: Callable[[str], float] = lambda key: 1.0, name: str = "machine") -> None:
        super().__init__()
        self.facts = {"name": name}
        self.cost = cost
        self.watches: list[Watch] = []

    def clocked(self, groups: Sequence[Sequence[Launched]]) -> Any:
        self.watches.append(Watch(groups, self.cost))
        return self.watches[-1]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NETLANG_TUNED", raising=False)
    # All ways are near: what the model says of such small nets is not what these tests are about.
    monkeypatch.setattr("netlang.backends.common.choices.NEAR", 100.0)
    return tmp_path


def tuned(backend: Cuda, text: str = NET) -> Tuning:
    return tune_net(load(text).net, inference_pipeline(), backend, SIZES, seconds=0.01)


def prepared(backend: Cuda, text: str = NET) -> Graph:
    return PassManager().run(load(text).net, [*inference_pipeline(), *backend.passes])


def kernels(backend: Cuda, batch: int = SIZES["N"]) -> list[str]:
    """What kernels a net is carried out by."""
    executable: Any = backend.compile(prepared(backend))
    return [step.kernel.key for step in executable.steps if step.is_taken({"N": batch})]


def slow_at_first(first: Sequence[str]) -> Callable[[str], float]:
    """A clock for which the kernels that the model takes are slow."""
    return lambda key: 2.0 if key in first else 1e-3


def test_what_is_measured_as_fastest_is_remembered_and_computes_the_same() -> None:
    usual = kernels(Cuda(device=Machine()))
    backend = Cuda(device=Machine(slow_at_first(usual)))
    assert isinstance(backend, Tunable) and backend.remembered()[0] == 0
    tuning = tuned(backend)
    assert tuning.whole and tuning.place.is_file() and len(tuning.layers) == 2
    for layer in tuning.layers:
        assert layer.choice != next(iter(layer.seconds)) and min(layer.seconds.values()) == layer.seconds[layer.choice]
    assert backend.remembered() == (2, tuning.place)

    again = Machine()
    found = kernels(Cuda(device=again))
    assert not set(found) & set(usual) and not again.watches
    assert kernels(Cuda(device=again), 5) == usual
    graph = prepared(backend)
    inputs, params = random_inputs(graph, SIZES), initial_params(graph)
    got = Cuda(device=again).compile(graph).run(inputs, params)
    assert_same(got, Reference().compile(graph).run(inputs, params), 1e-5)


def test_on_a_clock_that_knows_no_difference_nothing_changes() -> None:
    usual = kernels(Cuda(device=Machine()))
    tuning = tuned(Cuda(device=Machine(lambda key: 0.0)))
    assert all(layer.choice == next(iter(layer.seconds)) for layer in tuning.layers)
    assert kernels(Cuda(device=Machine())) == usual


def test_only_ways_near_the_best_estimate_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {len(layer.seconds) for layer in tuned(Cuda(device=Machine())).layers}
    assert min(whole) >= 2
    monkeypatch.setattr("netlang.backends.common.choices.NEAR", 0.99)
    assert not tuned(Cuda(device=Machine())).layers


def test_compiling_stops_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(len(layer.seconds) for layer in tuned(Cuda(device=Machine())).layers) > 2
    monkeypatch.setattr("netlang.backends.cuda.backend.METHOD", tune.Method(tune.METHOD.kinds, 2, min, compiling=0.0))
    assert {len(layer.seconds) for layer in tuned(Cuda(device=Machine())).layers} == {2}


def test_gpus_precisions_and_compilers_have_files_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def place(name: str, precision: str = "float32") -> Path:
        return remembered.choices(Machine(name=name), Options(precision=precision)).place

    files = {place("one"), place("other"), place("one", "tf32")}
    monkeypatch.setattr("netlang.backends.cuda.versions.compilers", lambda: "newer ones")
    files.add(place("one"))
    assert len(files) == 4
    monkeypatch.undo()
    usual = kernels(Cuda(device=Machine()))
    tuned(Cuda(device=Machine(slow_at_first(usual), "one")))
    assert kernels(Cuda(device=Machine(name="other"))) == usual
    assert Cuda(device=Machine(name="other")).remembered()[0] == 0


def test_choices_can_be_ignored_and_damaged_files_are(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = kernels(Cuda(device=Machine()))
    place = tuned(Cuda(device=Machine(slow_at_first(usual)))).place
    other = kernels(Cuda(device=Machine()))
    assert other != usual
    assert kernels(Cuda(Options(deterministic=True), Machine())) == usual
    monkeypatch.setenv("NETLANG_TUNED", "0")
    assert kernels(Cuda(device=Machine())) == usual
    monkeypatch.delenv("NETLANG_TUNED")
    text = place.read_text()
    place.write_text(text[: len(text) // 2])
    with pytest.warns(UserWarning, match="damaged"):
        assert kernels(Cuda(device=Machine())) == usual
    found = json.loads(text)
    found["choices"] = {problem: {**entry, "choice": "no way"} for problem, entry in found["choices"].items()}
    place.write_text(json.dumps(found))
    assert kernels(Cuda(device=Machine())) == usual


def test_a_way_that_computes_something_else_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = kernels(Cuda(device=Machine()))
    monkeypatch.setattr(tune, "_apart", lambda usual, other: 1.0)
    with pytest.warns(UserWarning, match="computes something else"):
        tuning = tuned(Cuda(device=Machine(slow_at_first(usual))))
    assert all(layer.choice == next(iter(layer.seconds)) for layer in tuning.layers)
    assert kernels(Cuda(device=Machine())) == usual


def test_results_are_compared_by_the_largest_number() -> None:
    x = np.array([1.0, -4.0], np.float32)
    assert tune._apart(x, x) == 0.0 and tune._apart(x, x + np.float32(0.4)) == pytest.approx(0.1)
    assert tune._apart(x, np.array([1.0, np.nan], np.float32)) == float("inf")
    assert tune._apart(np.array([np.inf]), np.array([1.0])) == 0.0


def test_the_simulators_clock_goes_by_elapsed() -> None:
    class Slow(Simulator):
        def elapsed(self, work: Callable[[], None]) -> float:
            work()
            return 2.0

    backend = Cuda(device=Slow())
    graph = prepared(backend)
    executable: Any = backend._compiled(graph, backend.device, Choices())
    taken = executable.node_seconds(random_inputs(graph, SIZES), initial_params(graph), 2)
    assert taken and all(seconds == [2.0, 2.0] for seconds in taken.values())


def test_without_a_gpu_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise NetError("no NVIDIA driver is installed")

    monkeypatch.setattr("netlang.backends.cuda.backend.default_device", none)
    with pytest.raises(NetError, match="tuning measures on a GPU: no NVIDIA driver"):
        tuned(Cuda())
    with pytest.raises(NetError, match="deterministic"):
        tuned(Cuda(Options(deterministic=True)))


STEP = """net odd {
  input x: f32[2, 8, 5, 5]
  output y = x -> conv(5, 3, stride = 2, pad = 1) -> relu -> batchnorm -> flatten -> dense(4) -> softmax
}

train {
  target label: i64[2]
  loss cross_entropy(y, label)
  optimizer sgd(lr = 0.1, momentum = 0.9)
}
"""


def test_every_way_of_a_training_step_computes_the_same() -> None:
    device, [kinds] = Machine(), tune.METHOD.kinds
    backend = Cuda(device=device)
    graph = PassManager().run(training_step(load(STEP).train), [*training_pipeline(), *backend.passes])
    inputs, wanted = random_inputs(graph, {}), initial_params(graph)
    losses = Reference().compile(graph).run(inputs, wanted)
    offered: set[str] = set()
    rank, count = 0, 1
    while rank < count:
        trial = Trial({}, kinds=kinds, rank=rank)
        executable: Any = backend._compiled(graph, device, trial)
        params = Store(initial_params(graph))
        assert_same(executable.run(inputs, params), losses, 1e-4)
        settle()
        assert_same(params, wanted, 1e-4)
        offered |= {problem.split()[0] for problem in trial.offers}
        rank, count = rank + 1, max(map(len, trial.offers.values()))
    assert offered >= {"conv", "product", "loops"} and count > 2


def test_tiles_of_weight_gradients_are_a_choice() -> None:
    graph = PassManager().run(training_step(load(STEP).train), [*training_pipeline(), *Cuda(device=Machine()).passes])
    first, second = (Trial({}, kinds=("weights",), rank=rank) for rank in range(2))
    found = [lowered(graph, CudaTarget("80"), choices=trial)[1] for trial in (first, second)]
    [node] = {node for nodes in first.owners.values() for node in nodes}
    assert len({steps[node][0].kernel.key for steps in found}) == 2


def test_training_steps_are_tuned_and_leave_no_parameters_behind() -> None:
    text = (
        NET + "train {\n target t: f32[N, 12]\n loss mean((y - t) * (y - t))\n optimizer sgd(lr = 0.1)\n batch 4\n}\n"
    )
    backend = Cuda(device=Machine())
    tuning = tune_training(load(text), backend, seconds=0.01)
    assert tuning.whole and backend.remembered()[0] == len(tuning.layers) > 2
    touch()


def test_from_the_command_line(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NETLANG_BACKEND", raising=False)
    monkeypatch.setattr("netlang.backends.cuda.backend.METHOD", tune.Method(tune.METHOD.kinds, 1, min, compiling=0.0))
    net = own_cache / "small.net"
    net.write_text(NET)
    assert main(["compile", str(net), "--target", "cuda", "--batch", "4", "--tune", "0.01"]) == 0
    told = capsys.readouterr()
    assert "measured " in told.out and "goes by choices measured on this machine: " in told.out
    assert main(["env"]) == 0
    assert "tuned for the gpu" in capsys.readouterr().out
