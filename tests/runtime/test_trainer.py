"""Single steps: what they take, what they return, and what they say of a loss that is not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netlang.diagnostics import NetError
from netlang.ir.module import Call
from netlang.runtime.trainer import Trainer
from tests.nets import same_bits
from tests.runtime.hand import trainer_of

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(0, 1, (40, 64)).astype(np.float32)
LABELS = RNG.integers(0, 10, 40)


def copied(trainer: Trainer) -> dict[str, Any]:
    return {n: a.copy() for n, a in trainer.store.items()}


def test_the_loss_falls() -> None:
    step = trainer_of(
        optimizer=Call("adam", {"lr": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0})
    )
    first = step(image=IMAGES, label=LABELS)
    for _ in range(30):
        last = step(IMAGES, LABELS)
    assert last < first / 2 and step.steps == 31
    assert set(step.values) == {"loss", "accuracy"}


def test_the_same_seed_takes_the_same_steps() -> None:
    stores = []
    for seed in (3, 3, 4):
        step = trainer_of(seed, dropout=True)
        for _ in range(3):
            step(image=IMAGES, label=LABELS)
        stores.append(copied(step))
    assert same_bits(stores[0], stores[1]) and not same_bits(stores[0], stores[2])


def test_the_schedule_sets_the_rate() -> None:
    step = trainer_of(schedule=Call("step", {"every": 1, "factor": 0.0}))
    step(image=IMAGES, label=LABELS)
    step.next_epoch()
    before = copied(step)
    assert step.learning_rate == 0
    step(image=IMAGES, label=LABELS)
    assert np.array_equal(before["fc1.weight"], step.store["fc1.weight"])


@pytest.mark.parametrize(
    ("image", "label", "text"),
    [
        (IMAGES[:, :5], LABELS, r"input 'image': expected f32[N, 64], got f32[40, 5]"),
        (IMAGES, LABELS.astype(np.float32), "input 'label': expected i64[N], got f32[40]"),
        (IMAGES, LABELS[:7], "N is 40 in input 'image' and 7 in input 'label'"),
        (IMAGES, np.where(np.arange(40) == 5, 10, LABELS), "'label'[5] is 10; it must be between 0 and 9"),
        (IMAGES, np.where(np.arange(40) == 6, -1, LABELS), "'label'[6] is -1"),
    ],
)
def test_bad_batches(image: Any, label: Any, text: str) -> None:
    with pytest.raises(NetError) as fault:
        trainer_of()(image=image, label=label)
    assert text in str(fault.value)


def test_evaluation_uses_every_sample_once() -> None:
    trainer = trainer_of()
    found = trainer.evaluate({"image": IMAGES, "label": LABELS})
    assert found == trainer.evaluate({"image": IMAGES, "label": LABELS}, batch=40) or found["loss"] == pytest.approx(
        trainer.evaluate({"image": IMAGES, "label": LABELS}, batch=40)["loss"], rel=1e-5
    )
    assert 0 <= found["accuracy"] <= 1


def test_a_bad_input_is_blamed() -> None:
    step = trainer_of()
    before = copied(step)
    image = IMAGES.copy()
    image[7, 3] = np.nan
    with pytest.raises(NetError) as fault:
        step(image=image, label=LABELS)
    assert "the loss is nan: input 'image'[7, 3] is nan" in str(fault.value)
    assert "in step 1 at learning rate 0.1" in str(fault.value)
    assert same_bits(before, step.store) and step.steps == 0


def test_a_bad_weight_is_blamed() -> None:
    step = trainer_of()
    step.store["fc2.bias"][4] = np.inf
    with pytest.raises(NetError) as fault:
        step(image=IMAGES, label=LABELS)
    assert "weight 'fc2.bias'[4] is already inf" in str(fault.value)
    assert fault.value.spans[0].line == 4


def test_the_first_bad_layer_is_blamed() -> None:
    step = trainer_of()
    step.store["fc1.weight"][...] = 3e38
    with pytest.raises(NetError) as fault:
        step(image=np.abs(IMAGES), label=LABELS)
    assert "matmul in 'fc1' is the first to give inf, from finite inputs" in str(fault.value)
    assert fault.value.spans[0].line == 3


def test_a_step_needs_samples() -> None:
    with pytest.raises(NetError, match="there is nothing to train on: N is 0"):
        trainer_of()(image=IMAGES[:0], label=LABELS[:0])


def test_a_bad_label_of_a_data_set_is_found() -> None:
    labels = LABELS.copy()
    labels[5] = 10
    with pytest.raises(NetError) as fault:
        trainer_of().evaluate({"image": IMAGES, "label": labels})
    assert "'label'[5] is 10; it must be between 0 and 9" in str(fault.value)
    assert "note: counted from 0 among the training samples of the data" in str(fault.value)
