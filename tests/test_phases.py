"""Several `train` sections: what each changes, their order, taking turns, and weights that nets of a file share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import netlang
from netlang.cli import main
from netlang.diagnostics import NetError
from netlang.frontend import load
from netlang.passes.optimizer import training_step
from netlang.runtime import course
from netlang.runtime.fit import CHECKPOINT, LOG, WEIGHTS, Interrupted, Options, Progress
from tests.nets import same_bits

TEXT = """\
width = 6
encoder = dense(width) -> batchnorm -> tanh

net autoencoder {
  input image: f32[N, 64]
  code = image -> encoder
  output back = code -> dense(64)
}

net classifier {
  input image: f32[N, 64]
  logits = image -> encoder -> dense(10)
  output probs = softmax(logits)
}

train pretrain for autoencoder {
  loss      mean_squared_error(back, image)
  optimizer adam(lr = 0.01)
  epochs    2
  batch     40
}

train head {
  target label: i64[N]
  loss      cross_entropy(logits, label)
  metric    accuracy(logits, label)
  update    dense*.*
  optimizer sgd(lr = 0.5, momentum = 0.9)
  epochs    2
  batch     40
}

train all {
  target label: i64[N]
  guess = logits -> dense(10)
  loss      cross_entropy(logits, label) + cross_entropy(guess, label)
  metric    accuracy(logits, label)
  update    encoder.*, dense1.weight, all.*
  optimizer sgd(lr = 0.1, schedule = plateau())
  epochs    3
  batch     50
}
"""
RNG = np.random.default_rng(0)
LABEL = RNG.integers(0, 10, 200)
IMAGE = (np.eye(10)[LABEL] @ RNG.normal(0, 1, (10, 64)) + RNG.normal(0, 0.3, (200, 64))).astype(np.float32)
DATA = {"image": IMAGE, "label": LABEL}


def model(text: str = TEXT, **options: Any) -> netlang.Model:
    return netlang.compile(text, target="reference", **options)


def copied(one: netlang.Model) -> dict[str, Any]:
    return {n: a.copy() for n, a in one.family.arrays.items()}


def test_nets_that_share_a_layer_share_one_file_of_weights(tmp_path: Path) -> None:
    module = load(TEXT)
    assert [p.node.name for p in module.weights["autoencoder"]] == [p.node.name for p in module.weights["classifier"]]
    both = model().init(3)
    names = {"encoder.dense1.weight", "encoder.batchnorm1.running_var", "dense1.weight", "autoencoder.dense1.weight"}
    assert names < both.family.arrays.keys()
    both.save_weights(tmp_path / "w.safetensors")
    assert load_file(tmp_path / "w.safetensors").keys() == both.family.arrays.keys()
    alone = model(net="autoencoder").load_weights(tmp_path / "w.safetensors")
    assert np.array_equal(alone(IMAGE), both.nets["autoencoder"](IMAGE))
    assert alone.parameters["dense1.weight"].shape == (64, 6)


def test_nets_of_a_model() -> None:
    both = model().init(1)
    assert [*both.nets] == ["autoencoder", "classifier"] and both.nets["classifier"] is both
    other = both.nets["autoencoder"]
    assert other.nets["classifier"] is both and both.nets["autoencoder"] is other and "none" not in both.nets
    before = other(IMAGE)
    both.parameters["encoder.dense1.bias"] = np.ones(6, np.float32)
    assert not np.allclose(other(IMAGE), before)
    with pytest.raises(NetError, match="has no net 'clasifier'"):
        both.nets["clasifier"]


def test_nets_without_a_layer_in_common_keep_their_weights_apart() -> None:
    text = "net a {\n  input x: f32[N, 3]\n  output y = x -> dense(2)\n}\n"
    one = model(text + text.replace("net a", "net b").replace("3]", "4]")).init(0)
    assert one.family.arrays["dense1.weight"].shape == (2, 4)
    with pytest.raises(NetError, match="net 'a' has no weights yet"):
        one.nets["a"](np.zeros((1, 3), np.float32))
    assert one.nets["a"].init(0)(np.zeros((1, 3), np.float32)).shape == (1, 2)


def test_a_net_inside_another_shares_its_weights() -> None:
    text = """\
net inner(width = 3) {
  input x: f32[N, 4]
  output y = x -> dense(width)
}
net outer {
  input x: f32[N, 4]
  output y = x -> inner -> dense(2)
  output same = inner(x)
}
"""
    outer = model(text).init(0)
    x = np.eye(4, dtype=np.float32)
    assert [*outer.parameters] == ["inner.dense1.weight", "inner.dense1.bias", "dense1.weight", "dense1.bias"]
    assert np.array_equal(outer.nets["inner"](x), outer(x)["same"])
    assert model(text, arguments={"width": 5}).init(0).nets["inner"](x).shape == (4, 5)


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_a_section_changes_what_it_says(target: str) -> None:
    one = netlang.compile(TEXT, target=target).init(1)
    before = copied(one)
    changed = {}
    for phase in ("pretrain", "head", "all"):
        trainer = one.trainer(phase=phase)
        arrays = {"image": IMAGE, "label": LABEL} if trainer.spec.targets else {"image": IMAGE}
        trainer(**arrays)
        now = copied(one)
        changed[phase] = {n for n in now if not np.array_equal(now[n], before[n])}
        before = now
    encoder = {n for n in before if n.startswith("encoder.")}
    # A bias before batchnorm has no gradient to speak of.
    assert changed["pretrain"] - {"encoder.dense1.bias"} == {
        *(encoder - {"encoder.dense1.bias"}), "autoencoder.dense1.weight", "autoencoder.dense1.bias",
    }  # fmt: skip
    assert changed["head"] == {"dense1.weight", "dense1.bias"}
    assert changed["all"] - {"encoder.dense1.bias"} == {*(encoder - {"encoder.dense1.bias"}), "dense1.weight"}


def test_no_gradient_is_computed_of_what_stays() -> None:
    module = load(TEXT)
    head, whole = (training_step(module.phases[name]) for name in ("head", "all"))
    assert [n for n, _ in head.updates] == [
        "dense1.bias", "dense1.bias.momentum", "dense1.weight", "dense1.weight.momentum", "$step",
    ]  # fmt: skip
    assert len([n for n in head.nodes if n.op == "matmul"]) == 3 < len([n for n in whole.nodes if n.op == "matmul"])


def test_a_loss_without_a_target_trains_on_inputs_alone() -> None:
    trainer = model().trainer(phase="pretrain")
    assert trainer.spec.targets == () and trainer.fit(DATA)["loss"] < 1.5
    assert set(trainer.fitted("digits").train.arrays) == {"image"}


def test_sections_run_in_the_order_of_the_text(tmp_path: Path) -> None:
    one = model()
    record = course.train(one, DATA, Options(out=tmp_path), seed=1)
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [(r["phase"], r["epoch"]) for r in lines] == [
        ("pretrain", 1), ("pretrain", 2), ("head", 1), ("head", 2), ("all", 1), ("all", 2), ("all", 3),
    ]  # fmt: skip
    assert record == lines[-1] and record["accuracy"] > lines[2]["accuracy"]
    assert same_bits(load_file(tmp_path / WEIGHTS), one.family.arrays)


class StopsAt(Progress):
    """Interrupts after so many epochs."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def epoch(self, record: Any) -> None:
        self.left -= 1
        if not self.left:
            raise Interrupted(None)


@pytest.mark.parametrize("epochs", [1, 2, 3, 5])
def test_resumed_in_the_section_in_which_it_stopped(tmp_path: Path, epochs: int) -> None:
    straight = model()
    course.train(straight, DATA, Options(out=tmp_path / "whole"), seed=1)
    with pytest.raises(Interrupted):
        course.train(model(), DATA, Options(out=tmp_path / "cut"), StopsAt(epochs), seed=1)
    resumed = model()
    course.train(resumed, DATA, Options(out=tmp_path / "cut", resume=True), seed=1)
    assert same_bits(straight.family.arrays, resumed.family.arrays)
    logs = [[json.loads(x) for x in (tmp_path / d / LOG).read_text().splitlines()] for d in ("whole", "cut")]
    assert [(r["phase"], r["epoch"], r["loss"]) for r in logs[0]] == [
        (r["phase"], r["epoch"], r["loss"]) for r in logs[1]
    ]
    with pytest.raises(NetError, match="it was made in the train section 'all'"):
        course.train(model(), DATA, Options(out=tmp_path / "cut", resume=True), seed=1, phases=["head"])
    assert (tmp_path / "cut" / CHECKPOINT).exists()


TURNS = """\
generator = dense(16) -> relu -> dense(64)
critic = dense(16) -> relu -> dense(1)

net fakes {
  input image: f32[N, 64]
  fake = random_normal([image.shape[0], 4]) -> generator
  output made = fake
}

train discriminate {
  loss      binary_cross_entropy(image -> critic, one) + binary_cross_entropy(fake -> critic, zero)
  metric    right = mean(cast((image -> critic) > 0, f32))
  optimizer adam(lr = 0.01)
  update    critic.*
  zero = broadcast(scalar(0.0), [image.shape[0], 1])
  one = zero + 1
}
train generate {
  loss      mean(softplus(-(fake -> critic)))
  optimizer adam(lr = 0.01)
  update    generator.*
}
train both {
  alternate discriminate(2), generate
  epochs 2
  batch 20
}
"""
TURNS = TURNS.replace(
    """  zero = broadcast(scalar(0.0), [image.shape[0], 1])
  one = zero + 1
}""",
    "}",
).replace("train discriminate {", "train discriminate {\n  zero = 0 * (image -> critic)\n  one = zero + 1")


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_sections_that_take_turns(tmp_path: Path, target: str) -> None:
    one = netlang.compile(TURNS, target=target)
    assert one.module.order == ("both",)
    record = course.train(one, DATA, Options(out=tmp_path), seed=2)
    assert [k for k in record if k.endswith(("loss", "right", "rate"))] == [
        "discriminate.loss", "discriminate.right", "generate.loss",
        "discriminate.learning_rate", "generate.learning_rate",
    ]  # fmt: skip
    parts = one.training(phase="both").parts
    assert set(parts) == {"discriminate", "generate"}
    again = netlang.compile(TURNS, target=target)
    with pytest.raises(Interrupted):
        course.train(again, DATA, Options(out=tmp_path / "cut"), StopsAt(1), seed=2)
    resumed = netlang.compile(TURNS, target=target)
    course.train(resumed, DATA, Options(out=tmp_path / "cut", resume=True), seed=2)
    assert same_bits(one.family.arrays, resumed.family.arrays)
    # By hand it is the same few lines.
    with pytest.raises(NetError, match="has no steps of its own"):
        one.trainer(phase="both")
    critic, generator = one.trainer(phase="discriminate"), one.trainer(phase="generate")
    assert critic(image=IMAGE) > 0 and generator(image=IMAGE) > 0


def test_turns_are_taken_in_the_order_that_is_written() -> None:
    training = model(TURNS).training(phase="both")
    training.fit({"image": IMAGE[:100]}, Options(epochs=1))
    assert {name: part.steps for name, part in training.parts.items()} == {"discriminate": 4, "generate": 1}
    found = training.evaluate({"image": IMAGE[:10]})
    assert found.keys() == {"discriminate.loss", "discriminate.right", "generate.loss"}


def test_a_second_set_of_weights() -> None:
    online = model().init(1)
    target = online.copy()
    assert np.array_equal(target(IMAGE), online(IMAGE))
    online.trainer(phase="head")(image=IMAGE, label=LABEL)
    assert not np.array_equal(target(IMAGE), online(IMAGE))
    half = copied(target)
    target.assign(online, rate=0.25)
    for name, array in target.family.arrays.items():
        expected = half[name] + 0.25 * (online.family.arrays[name] - half[name])
        np.testing.assert_allclose(array, expected, rtol=1e-6, atol=1e-7)
    target.assign(online)
    assert same_bits(target.family.arrays, online.family.arrays)
    assert np.array_equal(target.nets["autoencoder"](IMAGE), online.nets["autoencoder"](IMAGE))
    with pytest.raises(NetError, match="above 0 and up to 1"):
        target.assign(online, rate=0)
    with pytest.raises(NetError, match="the two differ in"):
        target.assign(model(arguments={"width": 5}).init(0))
    with pytest.raises(NetError, match="has no weights yet"):
        target.assign(model())


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        (None, "has 3 train sections\n  hint: say which: pretrain, head, all"),
        ("hed", "has no train section 'hed'\n  hint: did you mean 'head'?"),
        ("zzz", "there are pretrain, head, all"),
    ],
)
def test_which_section(phase: str | None, message: str) -> None:
    with pytest.raises(NetError) as raised:
        model().trainer(phase=phase)
    assert message in str(raised.value)


def test_a_section_of_a_net_that_shares_nothing() -> None:
    text = (
        "net a {\n  input x: f32[N, 3]\n  output y = x -> dense(2)\n}\ntrain {\n  loss mean(y)\n  optimizer adam()\n}\n"
    )
    text += "net b {\n  input x: f32[N, 3]\n  output y = x\n}\n"
    with pytest.raises(NetError, match="the train section trains net 'a', which shares no weights with 'b'"):
        model(text).trainer()
    assert model(text, net="a").trainer()(x=np.zeros((1, 3), np.float32)) == 0


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETLANG_BACKEND", "reference")
    Path("m.net").write_text(TEXT)
    np.savez("d.npz", **DATA)
    assert main(["train", "m.net", "--data", "d.npz", "--epochs", "1"]) == 0
    told = capsys.readouterr().out
    assert [line.split(" on ")[0] for line in told.splitlines() if " on " in line] == [
        "training pretrain", "training head", "training all",
    ]  # fmt: skip
    arguments = ["--data", "d.npz", "--phase", "head", "--weights", "run/weights.safetensors", "--out", "more"]
    assert main(["train", "m.net", *arguments, "--epochs", "1"]) == 0
    first, second = (load_file(f"{d}/weights.safetensors") for d in ("run", "more"))
    assert {n for n in first if not np.array_equal(first[n], second[n])} == {"dense1.weight", "dense1.bias"}
    for phase, metric in (("pretrain", "loss"), ("all", "accuracy")):
        given = ["--data", "d.npz", "--weights", "more/weights.safetensors"]
        assert main(["eval", "m.net", *given, *(["--phase", phase] if phase != "all" else [])]) == 0
        assert metric in capsys.readouterr().out
    assert main(["ir", "m.net", "--train", "--phase", "pretrain"]) == 0
    assert "graph autoencoder" in capsys.readouterr().out
    assert main(["ir", "m.net", "--phase", "pretrain"]) == 2
    assert main(["train", "m.net", "--phase", "hed"]) == 2
    assert "did you mean 'head'?" in capsys.readouterr().err


def test_names_in_a_weights_file_say_whose_a_parameter_is() -> None:
    text = """\
net encoder {
  input x: f32[N, 4]
  output y = x -> dense(3)
}
net first {
  input x: f32[N, 4]
  output y = x -> encoder -> dense(2)
}
net second {
  input x: f32[N, 2]
  output y = x -> first2 -> dense(2)
}
net first2 {
  input x: f32[N, 2]
  output y = (x, x) -> concat -> first
}
"""
    one = model(text, net="first").init(0)
    assert {n for n in one.family.arrays if "weight" in n} == {
        "first.dense1.weight", "encoder.dense1.weight", "second.dense1.weight",
    }  # fmt: skip
    assert {n for n in one.parameters if "weight" in n} == {"encoder.dense1.weight", "dense1.weight"}
