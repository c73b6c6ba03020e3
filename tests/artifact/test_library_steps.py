"""Shared libraries that learn take the steps of the trainer, bit for bit."""

from __future__ import annotations

import ctypes
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netlang
from netlang.backends.base import Request
from netlang.backends.cpu.library.compiler import COMPILERS
from netlang.cli import main
from netlang.driver import backend_for
from netlang.runtime.model import Model
from netlang.runtime.ports import dtype_of
from netlang.shipping import trainers_of, write_library
from tests.artifact.conftest import BEST, SMALL, model_of
from tests.artifact.linked import TYPES, Failed, Linked, Net
from tests.artifact.test_steps import IMAGE, LABEL, NET, PHASES, batches, others, saved
from tests.artifact.test_steps import learner as steps_learner

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, COMPILERS)), reason="there is no C compiler, which makes shared libraries"
)


def learner(path: Path, text: str) -> Path:
    """A library that begins to learn where trainers with the seed 3 do; what C compilers warn of is a fault."""
    model = model_of(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CFLAGS", "-Werror")
        request = Request(tuple(BEST), None, {"N": 200})
        write_library(path, [model, *others(model)], backend_for("cpu"), request, trainers_of(model, 3))
    return path


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learner(tmp_path_factory.mktemp("learns") / "small.so", NET)


@pytest.fixture
def net(library: Path) -> Iterator[Net]:
    found = Net(Linked(library))
    yield found
    found.close()


def taken(step: Net, batch: dict[str, Any]) -> dict[str, float]:
    """What a step gives on a batch."""
    found = step({"N": len(batch["image"])}, **batch)
    return {name: float(value) for name, value in found.items()}


def rate_of(step: Net) -> float:
    found = ctypes.c_double()
    step.library.ask("learning_rate", step.model, ctypes.byref(found))
    return found.value


def save(net: Net, path: Path) -> bytes:
    net.library.ask("save_weights", net.model, str(path).encode())
    return path.read_bytes()


@pytest.mark.parametrize("threads", [1, 3])
def test_the_bits_of_the_trainer(library: Path, threads: int, tmp_path: Path) -> None:
    """Losses, metrics, rates, weights, and what the net gives."""
    model, net = model_of(NET), Net(Linked(library), None, threads)
    trainer, step = model.trainer(3), net.step(None, threads)
    assert [port.name.decode() for port in step.inputs] == ["image", "label"]
    for epoch in range(4):
        for batch in batches():
            trainer(**batch)
            assert taken(step, batch) == trainer.values
            np.testing.assert_array_equal(net({"N": len(IMAGE)}, image=IMAGE)["probs"], model(IMAGE))
        assert rate_of(step) == trainer.learning_rate
        trainer.next_epoch(1.0 + epoch)
        step.library.ask("next_epoch", step.model, ctypes.byref(ctypes.c_double(1.0 + epoch)))
    assert rate_of(step) == trainer.learning_rate < 0.01
    net.close()  # steps keep the weights
    assert save(step, tmp_path / "w") == saved(tmp_path / "x", model.save_weights)
    step.close()


SCHEDULES = {
    "stairs": "step(every = 2, factor = 0.3)",
    "wave": "cosine(epochs = 5, floor = 0.001)",
    "slowly": "warmup(2, then = cosine(epochs = 3))",
}


def test_learning_rates(tmp_path: Path) -> None:
    text = "net n {\n  input x: f32[N, 3]\n  output y = x -> dense(1)\n}\n"
    for name, schedule in SCHEDULES.items():
        text += f"train {name} {{\n  loss mean(y * y)\n  optimizer sgd(lr = 0.7, schedule = {schedule})\n}}\n"
    net, model = Net(Linked(learner(tmp_path / "n.so", text))), model_of(text)
    for name in SCHEDULES:
        step, trainer = net.step(name), model.trainer(3, phase=name)
        for epoch in (0.0, 0.3, 1.9, 2.0, 2.7, 4.0, 4.99, 5.0, 11.0):
            step.library.ask("set_epoch", step.model, epoch)
            trainer.epoch = epoch
            assert rate_of(step) == trainer.learning_rate
        step.close()
    net.close()


def test_several_sections_that_share_weights(tmp_path: Path) -> None:
    model, whole = model_of(PHASES), Net(Linked(learner(tmp_path / "n.so", PHASES)))
    trainers = {name: model.trainer(3, phase=name) for name in ("pretrain", "all")}
    steps = {name: whole.step(name) for name in trainers}
    nets = {name: whole.beside(name) for name in model.nets}
    assert [whole.library.functions["section"](i) for i in range(3)] == [b"pretrain", b"all", None]
    for turn in range(6):
        name = ("pretrain", "all", "all")[turn % 3]
        given = {n: a for n, a in batches()[turn % 3].items() if n == "image" or name == "all"}
        trainers[name](**given)
        assert taken(steps[name], given) == trainers[name].values
        for key, net in nets.items():
            (found,) = net({"N": len(IMAGE)}, image=IMAGE).values()
            np.testing.assert_array_equal(found, model.nets[key](IMAGE))
    assert save(whole, tmp_path / "w") == saved(tmp_path / "x", model.save_weights)
    for each in (*steps.values(), *nets.values(), whole):
        each.close()


def test_weights_by_name_and_as_files(net: Net, tmp_path: Path) -> None:
    model, library = model_of(NET).init(9), net.library
    other = saved(tmp_path / "w", model.save_weights)
    library.ask("load_weights", net.model, str(tmp_path / "w").encode())
    np.testing.assert_array_equal(net({"N": len(IMAGE)}, image=IMAGE)["probs"], model(IMAGE))
    names = {port.name.decode(): port for port in net._listed("weights")}
    assert {n: p.text.decode() for n, p in names.items()} == {p.node.name: str(p.type) for p in model.family.learned}
    for name, port in names.items():
        array = np.empty(port.shape[: port.rank], dtype_of(TYPES[port.type]))
        library.ask("get_weight", net.model, name.encode(), array.ctypes.data)
        np.testing.assert_array_equal(array, model.parameters[name])
    bias = np.arange(5, dtype=np.float32)
    model.parameters["dense1.bias"] = bias
    library.ask("set_weight", net.model, b"dense1.bias", bias.ctypes.data)
    np.testing.assert_array_equal(net({"N": len(IMAGE)}, image=IMAGE)["probs"], model(IMAGE))
    before = save(net, tmp_path / "w")
    assert before == saved(tmp_path / "x", model.save_weights) != other
    for body, told in ((other[:-1], "it has not"), (b"x" * len(other), "in the way in which netlang writes it")):
        (tmp_path / "broken").write_bytes(body)
        with pytest.raises(Failed, match=told):
            library.ask("load_weights", net.model, str(tmp_path / "broken").encode())
    assert save(net, tmp_path / "w") == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken", "w", "x"]


def test_checkpoints_go_to_and_fro_between_c_and_python(tmp_path: Path) -> None:
    """Of two sections, whose optimisers and schedules go on."""
    text = NET + NET[NET.index("train {") :].replace("train {", "train again {").replace("adamw", "adam")
    text = text.replace("train {", "train first {", 1)
    path = [str(tmp_path / name).encode() for name in "ab"]
    net, python = Net(Linked(learner(tmp_path / "n.so", text))), netlang.load(steps_learner(tmp_path, text)[1])
    for turn, name in enumerate(("first", "again", "first")):
        with closing(net.step(name)) as step:
            for each in batches()[:2]:
                python.steps[name](**each)
                assert taken(step, each) == python.steps[name].values
            python.steps[name].next_epoch(2.0 + turn)
            net.library.ask("next_epoch", step.model, ctypes.byref(ctypes.c_double(2.0 + turn)))
        net.library.ask("save_checkpoint", net.model, path[0])
        python.save_checkpoint(tmp_path / "b")
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
        # Each goes on from the other's.
        other = netlang.load(tmp_path / "n.netc")
        other.load_checkpoint(tmp_path / "a")
        net.close()
        net, python = Net(Linked(tmp_path / "n.so")), other
        net.library.ask("load_checkpoint", net.model, path[1])
    whole = (tmp_path / "a").read_bytes()
    steps = whole.index((4).to_bytes(8, "little") + bytes(8))  # no other whole numbers are there
    for body, told in (
        (whole[:steps] + b"\xff" * 8 + whole[steps + 8 :], "where its steps stood makes no sense"),
        (whole[:-1], "it has not"),
        (b"x" + whole[1:], "in the way in which netlang writes it"),
    ):
        (tmp_path / "broken").write_bytes(body)
        with pytest.raises(Failed, match=told):
            net.library.ask("load_checkpoint", net.model, str(tmp_path / "broken").encode())
    net.library.ask("save_checkpoint", net.model, path[1])
    assert (tmp_path / "b").read_bytes() == whole
    net.close()


def test_threads_may_save_to_one_place(net: Net, tmp_path: Path) -> None:
    path, faults = tmp_path / "w", list[BaseException]()

    def save_often() -> None:
        try:
            for _ in range(20):
                net.library.ask("save_weights", net.model, str(path).encode())
        except Failed as fault:
            faults.append(fault)

    threads = [threading.Thread(target=save_often) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults and path.read_bytes() == save(net, tmp_path / "x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w", "x"]


def test_what_is_told(library: Path, net: Net, tmp_path: Path) -> None:
    linked, step = net.library, net.step()
    before = save(net, tmp_path / "w")
    plain = Net(Linked(inference(tmp_path / "plain.so")))
    rate = ctypes.byref(ctypes.c_double())
    for told, ask in (
        ("has no training step", lambda: plain.step()),
        ("has no training step", lambda: plain.library.ask("save_weights", plain.model, b"w")),
        ("there is no train section 'x': the first one is ''", lambda: net.step("x")),
        ("there is no net 'x'", lambda: net.beside("x")),
        ("threads are from 0", lambda: net.step(None, -1)),
        ("that is a net, not a training step", lambda: linked.ask("learning_rate", net.model, rate)),
        ("that is a net, not a training step", lambda: linked.ask("next_epoch", net.model, None)),
        ("-1 is no number of epochs", lambda: linked.ask("set_epoch", step.model, -1.0)),
        ("the model is NULL", lambda: linked.ask("create_step", None, None, 1)),
        ("there is no weight 'x'", lambda: linked.ask("get_weight", net.model, b"x", None)),
        ("the path is NULL", lambda: linked.ask("save_weights", net.model, None)),
        ("cannot write /nowhere/w: No such file", lambda: linked.ask("save_weights", net.model, b"/nowhere/w")),
        ("cannot read /nowhere", lambda: linked.ask("load_weights", net.model, b"/nowhere")),
        ("there is nothing to train on: N is 0", lambda: taken(step, {"image": IMAGE[:0], "label": LABEL[:0]})),
        ("'label' has the value 5; it must be between 0 and 4", lambda: taken(step, batch(label=LABEL + 1))),
        ("the loss is not finite in step 1 at learning rate 0.0001",
         lambda: taken(step, batch(image=IMAGE * np.float32(np.inf)))),
    ):  # fmt: skip
        with pytest.raises(Failed, match=told):
            ask()
    assert save(net, tmp_path / "w") == before
    trainer = model_of(NET).trainer(3)
    trainer(IMAGE, LABEL)
    assert taken(step, batch()) == trainer.values
    for each in (step, plain):
        each.close()


def batch(**other: Any) -> dict[str, Any]:
    return {"image": IMAGE, "label": LABEL, **other}


def inference(path: Path) -> Path:
    model: Model = model_of(SMALL)
    write_library(path, [model], backend_for("cpu"), Request(tuple(BEST), None, {}))
    return path


def test_calls_beside_steps_see_weights_before_or_after(library: Path) -> None:
    """What a call gives is what one of the weights gives, never something between."""
    expected, net = (Net(Linked(library), None, 2) for _ in range(2))
    first, step = expected.step(), net.step()
    few = IMAGE[:2]

    def given(of: Net) -> bytes:
        return of({"N": 2}, image=few)["probs"].tobytes()

    seen = {given(expected)}
    for each in batches() * 4:
        taken(first, each)
        seen.add(given(expected))
    wrong: list[bytes] = []
    ready, done = threading.Barrier(4), threading.Event()

    def call() -> None:
        ready.wait()
        while not done.is_set():
            found = given(net)
            if found not in seen:
                wrong.append(found)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    for each in batches() * 4:
        taken(step, each)
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong and given(net) == given(expected)
    for each_net in (first, step, expected, net):
        each_net.close()


def test_the_c_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built as it says, it learns what the trainer learns, and goes on from where it was."""
    monkeypatch.chdir(EXAMPLES.parent)
    program = EXAMPLES / "embed/learn.c"
    compiled, built, _ = (shlex.split(line) for line in re.findall(r"^   (\S.*)$", program.read_text(), re.M)[1:4])
    places = {name: str(tmp_path / name) for name in ("mlp.so", "mlp.h", "learn")}
    assert main([*(places.get(word, word) for word in compiled[1:]), "--arch", BEST[0]]) == 0
    built = [f"-I{tmp_path}" if word == "-I." else places.get(word, word) for word in built]
    subprocess.run(built, check=True)
    draw = np.random.default_rng(0)
    images, labels = draw.integers(0, 256, (70, 784), np.uint8), draw.integers(0, 10, (70, 1), np.uint8)
    model = model_of((EXAMPLES / "mlp.net").read_text())
    for _ in range(2):
        trainer, told = model.trainer(1), ""
        for rows in (slice(0, 32), slice(32, 64), slice(64, 70)):
            image = (images[rows].astype("f4") / np.float32(255)).reshape(-1, 1, 28, 28)
            trainer(image, labels[rows, 0].astype("i8"))
            told += f"{trainer.values['loss']:.9g} {trainer.values['accuracy']:.9g}\n"
        digits = np.concatenate([labels, images], axis=1).tobytes()
        found = subprocess.run([places["learn"], tmp_path / "w"], input=digits, capture_output=True, check=True)
        assert found.stdout.decode() == told
    assert (tmp_path / "w").read_bytes() == saved(tmp_path / "x", model.save_weights)
