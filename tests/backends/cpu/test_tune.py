"""Tuning: measured by a clock of our own, remembered in a file that is never trusted blindly."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import netlang
from netlang.backends.base import Options, Tunable
from netlang.backends.common.tune import LEAST_ROUNDS, MOST_ROUNDS, Samples, Times, compare, decide
from netlang.backends.cpu import Cpu, remembered
from netlang.cli import main
from netlang.diagnostics import NetError
from netlang.driver import tune_net, tune_training
from netlang.frontend import load
from netlang.passes import inference_pipeline

NET = """net small {
  input image: f32[N, 16, 30, 30]
  output y = image -> conv(64, 3, pad = 1) -> relu -> conv(64, 1)
}
"""

TRAINED = """net small {
  input image: f32[N, 8, 12, 12]
  output y = image -> conv(16, 3, pad = 1) -> relu -> flatten -> dense(4)
}

train {
  target label: i64[N]
  loss cross_entropy(softmax(y), label)
  optimizer sgd(lr = 0.1)
  batch 2
}
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NETLANG_BACKEND", raising=False)
    monkeypatch.delenv("NETLANG_TUNED", raising=False)
    return tmp_path


class Machine:
    """A clock, and variants that take the time they are told."""

    def __init__(self, *seconds: Callable[[int], Times], interrupted_after: int | None = None) -> None:
        self.now, self.calls = 0.0, 0
        self.seconds, self.interrupted_after = seconds, interrupted_after

    def measure(self, variant: int) -> Times:
        if self.calls == self.interrupted_after:
            raise KeyboardInterrupt
        times = self.seconds[variant](self.calls // len(self.seconds))
        self.calls += 1
        self.now += sum(times.values())
        return times


def run(machine: Machine, seconds: float) -> tuple[Samples, bool, list[float]]:
    told: list[float] = []
    found = compare(len(machine.seconds), machine.measure, seconds, told.append, lambda: machine.now)
    return *found, told


def test_variants_take_turns_until_the_time_is_over() -> None:
    machine = Machine(lambda r: {"a": 2.0 + (r == 1), "b": 1.0}, lambda r: {"a": 4.0 - (r == 2)})
    samples, whole, told = run(machine, 40.0)
    assert whole and samples.rounds == 6 and machine.calls == 12
    assert samples.times == {"a": [[2, 3, 2, 2, 2, 2], [4, 4, 3, 4, 4, 4]], "b": [[1.0] * 6, []]}
    assert told == sorted(told) and told[-1] == 1.0


@pytest.mark.parametrize(("seconds", "rounds"), [(1e-6, LEAST_ROUNDS), (1e9, MOST_ROUNDS)])
def test_there_are_a_few_rounds_and_not_too_many(seconds: float, rounds: int) -> None:
    assert run(Machine(lambda r: {"a": 1.0}, lambda r: {"a": 1.0}), seconds)[0].rounds == rounds


def test_an_interrupt_keeps_whole_rounds() -> None:
    machine = Machine(lambda r: {"a": 5.0 - r}, lambda r: {"a": 1.0 + r}, interrupted_after=7)
    samples, whole, _ = run(machine, 1e9)
    assert not whole and samples.rounds == 3 and samples.times == {"a": [[5.0, 4.0, 3.0], [1.0, 2.0, 3.0]]}


def test_only_what_is_clearly_faster_replaces_the_models_choice() -> None:
    offers = {"p": ["usual", "other", "third"], "q": ["usual", "other"]}
    samples = Samples()
    samples.add([{"p": 1.0, "q": 1.0}, {"p": 0.99, "q": 0.9}, {"p": 1.5}])
    found = decide(offers, samples, {"p": "conv1", "q": "conv2"}, min)
    assert {k: v["choice"] for k, v in found.items()} == {"p": "usual", "q": "other"}
    assert found["p"]["seconds"] == {"usual": 1.0, "other": 0.99, "third": 1.5}
    assert found["q"] == {"choice": "other", "layer": "conv2", "seconds": {"usual": 1.0, "other": 0.9}}


def test_a_net_is_tuned_and_later_compilations_go_by_it() -> None:
    told: list[str] = []
    backend = Cpu()
    graph = load(NET).net
    tuning = tune_net(graph, inference_pipeline(), backend, {"N": 1}, 1, 0.01, lambda what, done: told.append(what))
    assert tuning.whole and tuning.place.is_file() and len(tuning.layers) >= 2
    assert {layer.layer for layer in tuning.layers} >= {"conv1", "conv2"}
    assert any("tile" in what for what in told)
    assert backend.remembered(1) == (len(tuning.layers), tuning.place)
    assert backend.remembered(2)[0] == 0

    entries = remembered.choices(1).load()
    problem = next(p for p, e in entries.items() if p.startswith("tile") and e["layer"] == "conv2")
    for wanted in entries[problem]["seconds"]:
        remembered.choices(1).save({problem: {**entries[problem], "choice": wanted}})
        rows, columns = wanted.split("x")
        assert f"rows={rows}, columns={columns}," in kernels()
    assert len(remembered.choices(1).load()) == len(entries)


def kernels(options: Options | None = None) -> str:
    """The keys of the kernels of NET's last convolution."""
    executable = netlang.driver.Code(load(NET).net, inference_pipeline(), Cpu(options), 1).executable
    return str(executable.steps[-1].kernel.key)


def test_choices_can_be_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = kernels()
    tune_net(load(NET).net, inference_pipeline(), Cpu(), {"N": 1}, 1, 0.01)
    entries = remembered.choices(1).load()
    other = {p: {**e, "choice": list(e["seconds"])[-1]} for p, e in entries.items()}
    remembered.choices(1).save(other)
    assert kernels() != usual
    assert kernels(Options(deterministic=True)) == usual
    monkeypatch.setenv("NETLANG_TUNED", "0")
    assert kernels() == usual and Cpu().remembered(1)[0] == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "damaged"),
        ("{", "damaged"),
        ("[" * 100_000, "damaged"),
        ("[]", "no file of choices"),
        ('{"format": "another"}', "no file of choices"),
        ('{"format": "netlang-choices-1", "machine": {"cpu": "z80"}, "choices": {}}', "another machine"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_ignored(text: str, why: str) -> None:
    place = remembered.choices(1).save({"tile x": {"choice": "1x2"}})
    assert remembered.choices(1).table() == {"tile x": "1x2"}
    place.write_text(text)
    with pytest.warns(UserWarning, match=why):
        assert remembered.choices(1).load() == {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        remembered.choices(1).save({"tile y": {"choice": "1x3"}})
    assert remembered.choices(1).table() == {"tile y": "1x3"}


@pytest.mark.parametrize("choices", [[], {"tile x": "1x2"}, {"tile x": {"choice": 3}}, {"tile x": {}}])
def test_entries_of_another_form_are_ignored(choices: object) -> None:
    place = remembered.choices(1).save({})
    place.write_text(json.dumps({**json.loads(place.read_text()), "choices": choices}))
    with pytest.warns(UserWarning, match="damaged"):
        assert remembered.choices(1).load() == {}


def test_measuring_and_the_option_deterministic_exclude_each_other() -> None:
    backend = Cpu(Options(deterministic=True))
    assert isinstance(backend, Tunable)
    with pytest.raises(NetError, match="deterministic"):
        tune_net(load(NET).net, inference_pipeline(), backend, {"N": 1}, 1, 0.01)


def test_training_steps_are_tuned_with_their_batches() -> None:
    tuning = tune_training(load(TRAINED), Cpu(), None, 1, 0.01)
    assert tuning.whole and tuning.layers and Cpu().remembered(1) == (len(remembered.choices(1).load()), tuning.place)
    with pytest.raises(NetError, match="no train section"):
        tune_training(load(NET), Cpu(), None, 1, 0.01)


def test_from_python() -> None:
    model = netlang.compile(NET, batch=2, threads=1, tune=0.01).init(0)
    assert Cpu().remembered(1)[0] >= 2 and model.name == "small"
    for wrong in (0, -1.0, True, "long"):
        with pytest.raises(NetError, match="number of seconds"):
            netlang.compile(NET, tune=wrong)  # type: ignore[arg-type]
    with pytest.raises(NetError, match="nothing to tune"):
        netlang.compile(NET, target="reference", tune=1)


def test_from_the_command_line(own_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = own_cache / "small.net"
    net.write_text(NET)
    assert main(["compile", str(net), "--threads", "1"]) == 0
    assert "measured" not in capsys.readouterr().out
    assert main(["compile", str(net), "--threads", "1", "--tune", "0.01"]) == 0
    told = capsys.readouterr()
    assert "tuning tile: " in told.err and "choices: " in told.out
    assert "goes by choices measured on this machine: " in told.out
    assert main(["env"]) == 0
    assert "NETLANG_TUNED" in capsys.readouterr().out
    for others in (["-o", "small.netc"], ["--arch", "sm_80", "--target", "cuda"]):
        assert main(["compile", str(net), "--tune", *others]) == 2
        assert "--tune is for this machine" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["compile", str(net), "--tune", "-3"])
    assert "number of seconds" in capsys.readouterr().err


def test_env_tells_where_choices_are(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NETLANG_THREADS", "1")
    assert main(["env"]) == 0
    assert "nothing; see netc compile --tune" in capsys.readouterr().out
    remembered.choices(1).save({"tile x": {"choice": "1x2"}})
    assert main(["env"]) == 0
    assert "1 choices in " in capsys.readouterr().out
    monkeypatch.setenv("NETLANG_THREADS", "many")
    assert main(["env"]) == 0
