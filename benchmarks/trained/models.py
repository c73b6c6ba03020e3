"""What each trained network is to answer on real data, as onnxruntime recorded it.

A `Trained` goes through its data with any function that calls the network by the names of its file, ours or another's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netlang.runtime.data.mnist import read_idx
from netlang.runtime.data.places import find
from netlang.runtime.ports import Array

Feeds = Mapping[str, Array]
Call = Callable[[Feeds], Mapping[str, Array]]
"""A network: inputs by name to outputs by name."""

RTOL, ATOL = 1e-3, 1e-4


@dataclass(frozen=True)
class Reached:
    """What a network did: a figure in words, that which was recorded, the largest difference of any number, and
    whether all numbers are within RTOL and ATOL."""

    figure: str
    recorded: str
    difference: float
    close: bool


@dataclass(frozen=True)
class Trained:
    """A network. `examine` goes through all data, `sample` is the input of one call."""

    title: str
    file: str
    examine: Callable[[Call], Reached]
    sample: Callable[[], Feeds]

    @property
    def path(self) -> Path:
        """Where its file lies. Raises NetError where it is not on this machine."""
        return folder() / self.file


def folder() -> Path:
    """Where the networks lie. Raises NetError where they are not on this machine."""
    return find("trained networks", ["models"], "see the data's own README")


def _recorded(name: str) -> Mapping[str, Array]:
    with np.load(folder() / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def _reached(figure: str, recorded: str, pairs: list[tuple[Array, Array]]) -> Reached:
    difference = max(float(np.abs(got - wanted).max()) for got, wanted in pairs)
    return Reached(figure, recorded, difference, all(np.allclose(g, w, RTOL, ATOL) for g, w in pairs))


# ---- digits


def _digits() -> tuple[Array, Array]:
    """MNIST's 10,000 test images [N, 1, 28, 28] of 0 to 255, and their labels."""
    place = find("the test images of MNIST", ["mnist"], "see the data's own README")
    images = read_idx(place / "t10k-images-idx3-ubyte.gz", rank=3).astype(np.float32)
    return images[:, None], read_idx(place / "t10k-labels-idx1-ubyte.gz", rank=1)


def _right(logits: Array, labels: Array) -> str:
    return f"{int((logits.argmax(1) == labels).sum()):,} of {len(labels):,} right"


def _lenet(call: Call) -> Reached:
    images, labels = _digits()
    parts = [call({"data": images[i : i + 500] / np.float32(256)})["logits"] for i in range(0, len(images), 500)]
    logits = np.concatenate(parts)
    return _reached(
        _right(logits, labels),
        "9,904 of 10,000 right",
        [(logits[:1000], _recorded("lenet_caffe_t10k_logits")["logits"])],
    )


def _second(call: Call) -> Reached:
    images, labels = _digits()
    logits = np.concatenate([call({"Input3": image[None]})["Plus214_Output_0"] for image in images])
    return _reached(
        _right(logits, labels), "9,891 of 10,000 right", [(logits[:1000], _recorded("opt_mnist_t10k_logits")["logits"])]
    )


# ---- pictures


def _crops() -> Array:
    mean = np.array([104, 117, 123], np.float32)
    crops = _recorded("squeezenet_40_crops_bgr_prob")["bgr_u8"].astype(np.float32) - mean
    return np.ascontiguousarray(crops.transpose(0, 3, 1, 2))


def _squeezenet(call: Call) -> Reached:
    recorded = _recorded("squeezenet_40_crops_bgr_prob")
    prob = np.concatenate([call({"data": crop[None]})["prob"] for crop in _crops()])
    words = [line.split()[0] for line in (folder() / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines()]
    right = sum(words[p.argmax()] == str(name).split("_")[0] for p, name in zip(prob, recorded["files"], strict=True))
    return _reached(f"{right} of {len(prob)} right", "31 of 40 right", [(prob, recorded["prob"])])


def _small_pictures() -> Array:
    with np.load(find("pictures of CIFAR-10", ["cifar10_first3000.npz"], "see the data's own README")) as file:
        images = file["images"][:500].astype(np.float32) / np.float32(255)
    mean, std = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
    return np.ascontiguousarray(((images - mean) / std).transpose(0, 3, 1, 2))


def _resnet20(call: Call) -> Reached:
    logits = call({"data": _small_pictures()})["logits"]
    wanted = _recorded("resnet20_first500_logits")["logits"]
    close = int(np.isclose(logits, wanted, RTOL, ATOL).all(1).sum())
    return _reached(f"{close} of 500 logits", "500 of 500 logits", [(logits, wanted)])


def _faces(call: Call) -> Reached:
    recorded = _recorded("ultraface_slim320_2imgs")
    pairs = []
    for place, photo in enumerate(recorded["input"]):
        found = call({"input": photo[None]})
        pairs += [(found[name][0], recorded[name][place]) for name in ("scores", "boxes")]
    close = sum(bool(np.allclose(g, w, RTOL, ATOL)) for g, w in pairs)
    return _reached(f"{close // 2} of 2 photos' boxes and scores", "2 of 2 photos' boxes and scores", pairs)


# ---- sound

_HOP, _BEFORE = 512, 64
"""Samples of a frame, and of the one before that it is heard with."""


def _voice(call: Call) -> Reached:
    """Frame by frame, each with the state that the last one left."""
    recorded = _recorded("silero_vad_first10s")
    sound = recorded["pcm16k"].astype(np.float32) / np.float32(32768)
    heard, state, found = np.zeros((1, _BEFORE), np.float32), np.zeros((2, 1, 128), np.float32), []
    for start in range(0, len(sound), _HOP):
        frame = np.concatenate([heard, sound[None, start : start + _HOP]], axis=1)
        answer = call({"input": frame, "state": state})
        heard, state = frame[:, -_BEFORE:], answer["stateN"]
        found.append(answer["output"][0, 0])
    prob = np.array(found, np.float32)
    close = int(np.isclose(prob, recorded["prob"], RTOL, ATOL).sum())
    return _reached(f"{close} of {len(prob)} frames", "312 of 312 frames", [(prob, recorded["prob"])])


def _drawn(**shapes: tuple[int, ...]) -> Callable[[], Feeds]:
    """Random numbers for one call, always the same."""

    def draw() -> Feeds:
        rng = np.random.default_rng(0)
        return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}

    return draw


TRAINED = {
    "lenet": Trained("LeNet (Caffe)", "lenet_caffe.onnx", _lenet, _drawn(data=(1, 1, 28, 28))),
    "mnist": Trained("second MNIST net (CNTK)", "opt-mnist.onnx", _second, _drawn(Input3=(1, 1, 28, 28))),
    "squeezenet": Trained("SqueezeNet 1.0", "squeezenet_v1.0_dc.onnx", _squeezenet, _drawn(data=(1, 3, 227, 227))),
    "resnet20": Trained("ResNet-20", "resnet20_cifar.onnx", _resnet20, _drawn(data=(1, 3, 32, 32))),
    "faces": Trained("face detector (slim-320)", "version-slim-320.onnx", _faces, _drawn(input=(1, 3, 240, 320))),
    "voice": Trained(
        "voice detector (Silero)", "silero_vad_openvino_16k.onnx", _voice, _drawn(input=(1, 576), state=(2, 1, 128))
    ),
}
