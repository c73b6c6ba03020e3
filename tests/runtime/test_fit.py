"""Whole runs: exact resumption, checkpoints, early stop, logs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from netlang.diagnostics import NetError
from netlang.ir.module import Call
from netlang.runtime.data.dataset import Dataset
from netlang.runtime.fit import BEST, CHECKPOINT, LOG, WEIGHTS, Interrupted, Options, Progress
from tests.nets import same_bits
from tests.runtime.hand import trainer_of

RNG = np.random.default_rng(1)
LABELS = RNG.integers(0, 10, 150)
IMAGES = (np.eye(10)[LABELS] @ RNG.normal(0, 1, (10, 64)) + RNG.normal(0, 0.3, (150, 64))).astype(np.float32)
DATA = Dataset("blobs", {"image": IMAGES[:120], "label": LABELS[:120]}, {"image": IMAGES[120:], "label": LABELS[120:]})
# 120 samples in batches of 32: three whole batches and a smaller one.
STEPS_PER_EPOCH = 4
SCHEDULES = [
    Call("cosine", {"epochs": 3, "floor": 0.0}),
    Call("plateau", {"patience": 0, "factor": 0.5}),
]


class Killed(Exception):
    pass


class KillAt(Progress):
    """Ends the run after so many steps, as a kill does: without a word."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self, epoch: int, batch: int, means: Mapping[str, float], samples: int) -> None:
        self.left -= 1
        if not self.left:
            raise Killed


def straight(tmp_path: Path, **changes: Any) -> tuple[dict[str, Any], Path]:
    out = tmp_path / "straight"
    trainer = trainer_of(**changes)
    trainer.fit(DATA, Options(out=out))
    return trainer.store, out


def without_times(log: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in log.read_text().splitlines()]
    return [{k: v for k, v in r.items() if k not in ("seconds", "samples_per_second")} for r in records]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("killed_after", [2, 4, 5, 7, 11])
def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path, killed_after: int, schedule: Call) -> None:
    changes = {"schedule": schedule, "dropout": True}
    expected, reference = straight(tmp_path, **changes)
    out = tmp_path / "killed"
    with pytest.raises(Killed):
        trainer_of(**changes).fit(DATA, Options(out=out, checkpoint_every=1), KillAt(killed_after))
    resumed = trainer_of(**changes)
    resumed.store["fc1.weight"][...] = 7  # whatever was there must not matter
    resumed.fit(DATA, Options(out=out, resume=True))
    assert same_bits(expected, resumed.store)
    for name in (WEIGHTS, BEST):
        assert same_bits(load_file(reference / name), load_file(out / name))
    assert without_times(out / LOG) == without_times(reference / LOG)


def test_resuming_at_another_interval_makes_no_difference(tmp_path: Path) -> None:
    expected, _ = straight(tmp_path)
    out = tmp_path / "killed"
    with pytest.raises(Killed):
        trainer_of().fit(DATA, Options(out=out, checkpoint_every=3), KillAt(6))
    resumed = trainer_of()
    resumed.fit(DATA, Options(out=out, resume=True, checkpoint_every=2))
    assert same_bits(expected, resumed.store)


def test_resuming_with_nothing_there_starts_afresh(tmp_path: Path) -> None:
    expected, _ = straight(tmp_path)
    trainer = trainer_of()
    trainer.fit(DATA, Options(out=tmp_path / "new", resume=True))
    assert same_bits(expected, trainer.store)


def test_resuming_a_finished_run_does_nothing_and_more_epochs_go_on(tmp_path: Path) -> None:
    expected, out = straight(tmp_path)
    trainer = trainer_of()
    assert trainer.fit(DATA, Options(out=out, resume=True))["epoch"] == 3
    assert same_bits(expected, trainer.store)
    assert trainer_of().fit(DATA, Options(out=out, resume=True, epochs=4))["epoch"] == 4
    assert len((out / LOG).read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("changes", "data", "text"),
    [
        ({"source": "y"}, DATA, "the .net file is not the one"),
        ({"seed": 5}, DATA, r"the seed is not the one that the checkpoint was made with \(0 there, 5 now\)"),
        ({}, Dataset("blobs", {"image": IMAGES[1:121], "label": LABELS[1:121]}, {}), "the training data is not"),
        ({"batch": 16}, DATA, "the batch size is not the one"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(
    tmp_path: Path, changes: dict[str, Any], data: Dataset, text: str
) -> None:
    _, out = straight(tmp_path)
    trainer = trainer_of(**changes)
    before = {n: a.copy() for n, a in trainer.store.items()}
    with pytest.raises(NetError, match=text):
        trainer.fit(data, Options(out=out, resume=True))
    assert same_bits(before, trainer.store)


def test_damaged_checkpoints(tmp_path: Path) -> None:
    _, out = straight(tmp_path)
    path = out / CHECKPOINT
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NetError, match="not a whole safetensors file"):
        trainer_of().fit(DATA, Options(out=out, resume=True))
    path.write_bytes(whole.replace(b'\\"plateau\\"', b'\\"plateaux'))
    with pytest.raises(NetError, match="damaged"):
        trainer_of().fit(DATA, Options(out=out, resume=True))
    path.write_bytes((out / WEIGHTS).read_bytes())
    with pytest.raises(NetError, match="is not a checkpoint"):
        trainer_of().fit(DATA, Options(out=out, resume=True))
    save_file({"a": np.ones(1)}, path, metadata={"netlang": "[]"})
    with pytest.raises(NetError, match="damaged"):
        trainer_of().fit(DATA, Options(out=out, resume=True))


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("epoch", "x", "'x' is no count"),
        ("steps", -1, "-1 is no count"),
        ("batch", 1000, "batch 1000 of"),
        ("scale", "fast", "could not convert string to float: 'fast'"),
        ("means", 3, "not subscriptable"),
        ("best", {}, "it lacks 'best'"),
        ("record", 1, "not iterable"),
    ],
)
def test_a_damaged_record(tmp_path: Path, key: str, value: object, text: str) -> None:
    _, out = straight(tmp_path)
    path = out / CHECKPOINT
    with safe_open(path, framework="numpy") as file:
        record = json.loads(file.metadata()["netlang"])
    within = record["progress"]["training"] if key in ("steps", "scale") else record["progress"]
    within[key] = value
    save_file(load_file(path), path, metadata={"netlang": json.dumps(record)})
    with pytest.raises(NetError, match=r"the header of checkpoint .* is damaged: .*" + text):
        trainer_of().fit(DATA, Options(out=out, resume=True))
    save_file({"a": np.ones(1)}, path, metadata={"netlang": "[" * 100_000})
    with pytest.raises(NetError, match="is damaged"):
        trainer_of().fit(DATA, Options(out=out, resume=True))


def test_a_log_that_cannot_be_kept(tmp_path: Path) -> None:
    _, out = straight(tmp_path)
    (out / LOG).write_bytes(b"\xff\xfe")
    with pytest.raises(NetError, match=r"cannot read .*log\.jsonl"):
        trainer_of().fit(DATA, Options(out=out, resume=True))


def test_ctrl_c_saves_a_checkpoint_and_resumes_exactly(tmp_path: Path) -> None:
    expected, _ = straight(tmp_path)
    out = tmp_path / "interrupted"

    class Interrupting(Progress):
        def step(self, epoch: int, batch: int, means: Mapping[str, float], samples: int) -> None:
            if (epoch, batch) == (2, 1):
                os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted) as stopped:
        trainer_of().fit(DATA, Options(out=out), Interrupting())
    assert stopped.value.saved == out / CHECKPOINT and signal.getsignal(signal.SIGINT) is before
    resumed = trainer_of()
    resumed.fit(DATA, Options(out=out, resume=True))
    assert same_bits(expected, resumed.store)


def test_early_stop(tmp_path: Path) -> None:
    stop = Call("early", {"patience": 2, "monitor": "accuracy"})
    record = trainer_of(stop=stop, epochs=500).fit(DATA)
    assert record["epoch"] < 100


def test_the_best_weights_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    _, out = straight(tmp_path, schedule=Call("step", {"every": 2, "factor": 20.0}), epochs=5)
    records = without_times(out / LOG)
    best = max(r["test_accuracy"] for r in records)
    assert records[-1]["test_accuracy"] < best
    trainer = trainer_of()
    for name, array in load_file(out / BEST).items():
        trainer.store[name][...] = array
    assert trainer.evaluate(DATA)["accuracy"] == pytest.approx(best)


def test_nothing_is_written_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record = trainer_of(epochs=2).fit(DATA)
    assert record["epoch"] == 2 and record["test_accuracy"] > 0.5 and os.listdir(tmp_path) == []


def test_a_bad_label_in_the_data_is_found_before_training() -> None:
    labels = LABELS.copy()
    labels[77] = 12
    with pytest.raises(NetError, match=r"'label'\[77\] is 12"):
        trainer_of().fit({"image": IMAGES, "label": labels})


def test_zero_epochs_keep_the_first_weights(tmp_path: Path) -> None:
    trainer = trainer_of()
    assert trainer.fit(DATA, Options(epochs=0, out=tmp_path)) == {}
    assert np.array_equal(load_file(tmp_path / WEIGHTS)["fc1.weight"], trainer.store["fc1.weight"])
