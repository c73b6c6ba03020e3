"""Training steps from files take the steps of the trainer, bit for bit; what they learn the nets of the file know."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netlang
from netlang.diagnostics import NetError
from netlang.runtime.artifact import open_artifact, write_artifact
from netlang.runtime.model import Model
from netlang.shipping import trainers_of
from tests.artifact.conftest import model_of, write
from tests.artifact.test_loaded import BLOCKED, altered

DRAW = np.random.default_rng(0)
IMAGE = DRAW.normal(size=(24, 2, 8, 8)).astype(np.float32)
LABEL = DRAW.integers(0, 5, 24)

NET = """
net small {
  input image: f32[N, 2, 8, 8]
  h = image -> conv(6, 3) -> batchnorm -> relu -> maxpool(2) -> flatten -> dropout(0.5)
  logits = h -> dense(5)
  output probs = softmax(logits)
}
train {
  target label: i64[N]
  loss      cross_entropy(logits, label)
  metric    accuracy(logits, label)
  optimizer adamw(lr = 0.01, weight_decay = 0.1, schedule = warmup(2, then = plateau(patience = 0)))
  clip      norm(1.0)
  batch     8
}
"""

PHASES = """
net encoder {
  input image: f32[N, 2, 8, 8]
  output code = image -> flatten -> dense(7) -> tanh
}
net autoencoder {
  input image: f32[N, 2, 8, 8]
  output back = image -> encoder -> dense(128) -> reshape([image.shape[0], 2, 8, 8])
}
net whole {
  input image: f32[N, 2, 8, 8]
  logits = image -> encoder -> dense(5)
  output probs = softmax(logits)
}
train pretrain for autoencoder {
  loss      mean_squared_error(back, image)
  optimizer adam(lr = 0.01)
}
train all {
  target label: i64[N]
  guess = logits -> dense(5)
  loss      cross_entropy(logits, label) + cross_entropy(guess, label)
  optimizer sgd(lr = 0.1, momentum = 0.9)
  update    encoder.*, dense1.weight, all.*
}
"""


def learner(path: Path, text: str = NET, seed: int = 3, **levels: Any) -> tuple[Model, Path]:
    """A model, and a file that begins to learn where its trainers do."""
    model = model_of(text)
    return model, write(path / "n.netc", model, *others(model), trainers=trainers_of(model, seed), **levels)


def others(model: Model) -> list[Model]:
    return [model.nets[name] for name in model.nets if name != model.name]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learner(tmp_path_factory.mktemp("steps"))[1]


def batches() -> list[dict[str, Any]]:
    """Of several sizes, one of them alone."""
    return [{"image": IMAGE[a:b], "label": LABEL[a:b]} for a, b in ((0, 8), (8, 16), (16, 19), (19, 20), (0, 24))]


def saved(path: Path, save: Callable[[Path], None]) -> bytes:
    save(path)
    return path.read_bytes()


def test_the_bits_of_the_trainer(file: Path, tmp_path: Path) -> None:
    """Losses, metrics, rates, weights, and what the net gives: with dropout, batch statistics, Adam's moments."""
    model, loaded = model_of(NET), netlang.load(file)
    trainer, step = model.trainer(3), loaded.step
    assert step.inputs == {"image": "f32[N, 2, 8, 8]", "label": "i64[N]"}
    assert (step.batch, step.seed, step.net) == (8, 3, "small")
    for epoch in range(4):
        for batch in batches():
            assert step(**batch) == trainer(**batch)
            assert step.values == trainer.values and set(step.values) == {"loss", "accuracy"}
            np.testing.assert_array_equal(loaded(IMAGE), model(IMAGE))
        assert step.learning_rate == trainer.learning_rate
        for one in (step, trainer):
            one.next_epoch(1.0 + epoch)
    assert (step.steps, step.epoch, step.learning_rate) == (
        20,
        4.0,
        trainer.learning_rate,
    ) and step.learning_rate < 0.01
    ours, theirs = (saved(tmp_path / "w", one.save_weights) for one in (loaded, model))
    assert ours == theirs
    assert all(np.array_equal(array, model.parameters[name]) for name, array in loaded.parameters.items())


def test_several_sections_that_share_weights(tmp_path: Path) -> None:
    """Each with its own optimiser; layers of a section alone begin where the trainer's do; nets see all of it."""
    model, path = learner(tmp_path, PHASES)
    loaded = netlang.load(path)
    trainers = {name: model.trainer(3, phase=name) for name in ("pretrain", "all")}
    assert set(loaded.steps) == set(trainers) and set(loaded.nets) == {"whole", "encoder", "autoencoder"}
    for turn in range(6):
        name = ("pretrain", "all", "all")[turn % 3]
        given = batches()[turn % 3]
        given = {n: given[n] for n in loaded.steps[name].inputs}
        assert loaded.steps[name](**given) == trainers[name](**given)
        for net in loaded.nets:
            np.testing.assert_array_equal(loaded.nets[net](IMAGE), model.nets[net](IMAGE))
    assert saved(tmp_path / "w", loaded.save_weights) == saved(tmp_path / "w", model.save_weights)
    with pytest.raises(NetError, match=r"has 2 training steps: all, pretrain\n  hint: say which"):
        loaded.step(image=IMAGE)
    with pytest.raises(NetError, match="has no training step 'pretrian'\n  hint: did you mean 'pretrain'"):
        loaded.steps["pretrian"]


def test_sequences_of_any_length(tmp_path: Path) -> None:
    text = """
    net n {
      input words: i64[N, T]
      logits = words -> embedding(11, 6) -> lstm(8) -> mean(axis = 1) -> dense(4)
      output probs = softmax(logits)
    }
    train {
      target label: i64[N]
      loss      cross_entropy(logits, label)
      optimizer rmsprop(lr = 0.01, momentum = 0.5)
    }
    """
    model, path = learner(tmp_path, text)
    step, trainer = netlang.load(path).step, model.trainer(3)
    for batch, length in ((3, 5), (1, 1), (4, 9), (3, 5)):
        words, label = DRAW.integers(0, 11, (batch, length)), DRAW.integers(0, 4, batch)
        assert step(words, label) == trainer(words, label)


def test_weights_come_and_go(file: Path, tmp_path: Path) -> None:
    loaded, model = netlang.load(file), model_of(NET).init(9)
    loaded(IMAGE)
    model.save_weights(tmp_path / "w")
    loaded.load_weights(tmp_path / "w")
    np.testing.assert_array_equal(loaded(IMAGE), model(IMAGE))
    before = saved(tmp_path / "before", loaded.save_weights)
    netlang.compile("net n {\n  input x: f32[N, 3]\n  output y = x -> dense(2)\n}").init().save_weights(tmp_path / "w")
    with pytest.raises(NetError, match=r"lacks the tensor 'conv1\.weight'"):
        loaded.load_weights(tmp_path / "w")
    assert saved(tmp_path / "before", loaded.save_weights) == before
    with pytest.raises(ValueError, match="read-only"):
        next(iter(loaded.parameters.values()))[...] = 0


def test_a_checkpoint_goes_on_to_the_same_bits(file: Path, tmp_path: Path) -> None:
    one, other, path = netlang.load(file), netlang.load(file), tmp_path / "c"
    for batch in batches():
        one.step(**batch)
    one.step.next_epoch(2.0)
    one.save_checkpoint(path)
    other.load_checkpoint(path)
    assert (other.step.steps, other.step.epoch) == (5, 1.0)
    for batch in batches():
        assert one.step(**batch) == other.step(**batch)
    for each in (one, other):
        each.step.next_epoch(3.0)
    assert one.step.learning_rate == other.step.learning_rate
    assert saved(tmp_path / "a", one.save_weights) == saved(tmp_path / "a", other.save_weights)


def test_checkpoints_of_something_else(file: Path, tmp_path: Path) -> None:
    loaded, path = netlang.load(file), tmp_path / "c"
    before = saved(path, loaded.save_checkpoint)
    for body, told in (
        (saved(tmp_path / "w", loaded.save_weights), "holds weights but is not a checkpoint"),
        (before.replace(b'\\"seed\\": 3', b'\\"seed\\": 4'), "is a checkpoint of another file"),
        (before.replace(bytes(16), b"\xff" * 16, 1), "is damaged: -1 is no count"),
        (before.replace(np.float64(np.inf).tobytes(), np.float64(np.nan).tobytes()), "are no epochs, factor and loss"),
        (before.replace(b'{\\"format\\"', b'[\\"format\\"'), "damaged"),
        (before.replace(b"file 2", b"file 9"), "is a checkpoint of format file 9"),
        (before[:-1], "is not a whole safetensors file"),
    ):
        assert body != before
        path.write_bytes(body)
        with pytest.raises(NetError, match=told):
            loaded.load_checkpoint(path)
    assert saved(path, loaded.save_checkpoint) == before
    with pytest.raises(NetError, match="is a checkpoint"):
        loaded.load_weights(path)


def test_a_loss_that_is_not_finite_changes_nothing(file: Path, tmp_path: Path) -> None:
    loaded, image = netlang.load(file), IMAGE.copy()
    before, image[3] = saved(tmp_path / "c", loaded.save_checkpoint), np.inf
    with pytest.raises(NetError, match=r"the loss is nan in step 1 at learning rate 0.0001; the weights were left"):
        loaded.step(image=image, label=LABEL)
    assert saved(tmp_path / "c", loaded.save_checkpoint) == before


def test_what_steps_refuse(file: Path) -> None:
    step = netlang.load(file).step
    for given, told in (
        ({"image": IMAGE}, "the training step needs input label"),
        ({"image": IMAGE, "labels": LABEL}, "has no input 'labels'\n  hint: did you mean 'label'"),
        ({"image": IMAGE, "label": LABEL[:3]}, "N is 24 in input 'image' and 3 in input 'label'"),
        ({"image": IMAGE[:0], "label": LABEL[:0]}, "there is nothing to train on: N is 0"),
        ({"image": IMAGE, "label": LABEL + 1}, "'label' has the value 5; it must be between 0 and 4"),
        ({"image": IMAGE.astype("f8"), "label": LABEL}, r"expected f32\[N, 2, 8, 8\], got f64"),
    ):
        with pytest.raises(NetError, match=told):
            step(**given)
    assert step.steps == 0
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        pickle.dumps(step)


def test_files_that_do_not_learn(tmp_path: Path) -> None:
    model = model_of(NET)
    loaded = netlang.load(write(tmp_path / "n.netc", model))
    for use in (lambda: loaded.step, lambda: loaded.steps, lambda: loaded.save_weights(tmp_path / "w")):
        with pytest.raises(NetError, match="was compiled for inference: it has no training step"):
            use()
    alone = model_of("net n {\n  input x: f32[N, 3]\n  output y = x -> dense(2)\n}")
    with pytest.raises(NetError, match="has no train section"):
        trainers_of(alone, 0)
    apart = NET + "net apart {\n  input x: f32[N, 3]\n  output y = x -> dense(2)\n}"
    with pytest.raises(NetError, match=r"no train section of .* trains net 'apart'"):
        trainers_of(model_of(apart, "apart"), 0)


def test_calls_beside_steps_see_weights_before_or_after(file: Path) -> None:
    """What a call gives is what one of the weights gives, never something between."""
    expected, loaded = netlang.load(file), netlang.load(file, threads=1)
    seen = {expected(IMAGE[:2]).tobytes()}
    for batch in batches() * 4:
        expected.step(**batch)
        seen.add(expected(IMAGE[:2]).tobytes())
    wrong: list[bytes] = []
    ready, done = threading.Barrier(4), threading.Event()

    def call() -> None:
        ready.wait()
        while not done.is_set():
            found = loaded(IMAGE[:2]).tobytes()
            if found not in seen:
                wrong.append(found)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    for batch in batches() * 4:
        loaded.step(**batch)
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert loaded(IMAGE[:2]).tobytes() == expected(IMAGE[:2]).tobytes()


def test_steps_of_several_threads_take_turns(file: Path) -> None:
    loaded = netlang.load(file)
    threads = [threading.Thread(target=lambda: [loaded.step(**b) for b in batches()]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded.step.steps == 20


def test_nothing_but_numpy_is_needed(file: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", image=IMAGE, label=LABEL)
    code = (
        "import sys\n"
        f"for name in {BLOCKED!r}: sys.modules[name] = None\n"
        "import numpy as np, netlang\n"
        "model, data = netlang.load(sys.argv[1]), np.load(sys.argv[2] + '/data.npz')\n"
        "for _ in range(3): model.step(image=data['image'], label=data['label'])\n"
        "model.save_weights(sys.argv[2] + '/w')\n"
        "model.save_checkpoint(sys.argv[2] + '/c')\n"
        "model.load_checkpoint(sys.argv[2] + '/c')\n"
        "model.load_weights(sys.argv[2] + '/w')\n"
        "print([m for m in sys.modules if m.startswith(('netlang.ops', 'netlang.passes', 'netlang.frontend'))])"
    )
    args = [sys.executable, "-c", code, str(file), str(tmp_path)]
    found = subprocess.run(args, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    model = model_of(NET)
    trainer = model.trainer(3)
    for _ in range(3):
        trainer(image=IMAGE, label=LABEL)
    assert saved(tmp_path / "x", model.save_weights) == (tmp_path / "w").read_bytes()


def test_the_same_bytes_each_time(file: Path, tmp_path: Path) -> None:
    assert learner(tmp_path)[1].read_bytes() == file.read_bytes()


def test_the_state_of_the_optimiser_takes_no_room(file: Path) -> None:
    """It is zero at first."""
    artifact = open_artifact(file)
    private = artifact.content["steps"][""]["private"]
    assert {"conv1.weight.m", "dense1.bias.v", "$step"} <= set(private)
    assert all(first is None for _, _, first in private.values())


def changed_step(path: Path, out: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    content = json.loads(json.dumps(open_artifact(path).content))
    change(content)
    return altered(path, out, **content)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(weights=None),
        lambda c: c.update(weights={"conv1.weight": ["f32", [6, 2, 3, 3], 1 << 40]}),
        lambda c: c.update(weights={"conv1.weight": ["f32", [6, 2, 3, -3], 0]}),
        lambda c: c.update(weights={"conv1.weight": ["f33", [6, 2, 3, 3], 0]}),
        lambda c: c.update(weights={"conv1.weight": ["f32", [1 << 30, 1 << 30], 0]}),
        lambda c: c.update(weights=[]),
        lambda c: c.update(steps=[]),
        lambda c: c["steps"].update({"": 1}),
        lambda c: c["steps"][""].pop("private"),
        lambda c: c["steps"][""].update(updates=["nothing"]),
        lambda c: c["steps"][""].update(outputs=[]),
        lambda c: c["steps"][""].update(rate=[]),
        lambda c: c["steps"][""].update(schedule={"name": "warmup", "args": {}}),
        lambda c: c["steps"][""].update(schedule={"name": "none", "args": {}}),
        lambda c: c["steps"][""].update(schedule={"name": "cosine", "args": {"epochs": 0, "floor": 0}}),
    ],
    ids=range(15),
)
def test_manifests_that_make_no_sense(file: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = changed_step(file, tmp_path / "n.netc", change)
    with pytest.raises(NetError, match=r"n\.netc is damaged: its manifest makes no sense"):
        netlang.load(path).step(image=IMAGE, label=LABEL)


def test_a_seed_that_is_none(file: Path, tmp_path: Path) -> None:
    path = changed_step(file, tmp_path / "n.netc", lambda c: c.update(seed=-1))
    with pytest.raises(NetError, match="a seed is a whole number"):
        netlang.load(path)


def test_a_member_that_is_missing(file: Path, tmp_path: Path) -> None:
    artifact = open_artifact(file)
    members = {n: bytes(artifact.member(n)) for n in artifact.members if not n.startswith("program/step:")}
    write_artifact(tmp_path / "n.netc", artifact.content, members)
    with pytest.raises(NetError, match="has no member 'program/step:/"):
        netlang.load(tmp_path / "n.netc").step(image=IMAGE, label=LABEL)
