"""Trains a net that says of every pixel what it shows, and measures it on held-out pictures.

python examples/segmentation/train.py [--net unet | fcn] [--data scenes | membrane | streets | masks:DIR] [--quick]
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from jointly import bent, flipped, zoomed
from numpy.typing import NDArray

import netlang
from netlang.pictures import painted, save, sheet

Array = NDArray[Any]

HERE = Path(__file__).parent
SIZES = {"membrane": (1, 256, 256), "streets": (3, 192, 256), "scenes": (3, 64, 64)}
"""Channels, height and width to which pictures of a source are read; 256 x 256 for others."""
EPOCHS = {"membrane": 40, "streets": 120, "scenes": 10}
SHOWN = 3
"""Held-out pictures in the picture that is drawn."""
COLOURS = (
    (128, 180, 230), (140, 60, 50), (190, 190, 150), (120, 90, 140), (220, 120, 180), (90, 140, 60), (230, 200, 60),
    (90, 80, 60), (50, 60, 170), (230, 110, 30), (0, 150, 150), (0, 0, 0),
)  # fmt: skip
"""Of the classes of the street scenes; void is black."""


def changed(rng: np.random.Generator, source: str, image: Array, label: Array, void: int) -> tuple[Array, Array]:
    """A training picture as it might have been taken as well."""
    image, label = flipped(rng, image, label, turns=source == "membrane")
    if source == "membrane":
        return bent(rng, image, label, 5.0, void)
    return zoomed(rng, image, label, 1.5) if source == "streets" else (image, label)


def trained(model: netlang.Model, data: netlang.Dataset, source: str, seed: int, epochs: int) -> None:
    """Train the model in place, every picture once an epoch, each time changed."""
    step, rng = model.trainer(seed=seed), np.random.default_rng(seed)
    images, labels = data.train["image"], data.train["label"]
    size = step.spec.batch
    for epoch in range(epochs):
        rows = rng.permutation(len(images))
        losses = []
        for start in range(0, len(rows), size):
            step.epoch = step.spec.epochs * (epoch + start / len(rows)) / epochs
            pairs = [changed(rng, source, images[r], labels[r], len(data.classes)) for r in rows[start : start + size]]
            image = np.stack([i for i, _ in pairs]).astype(np.float32) / 255
            losses.append(step(image=image, label=np.stack([label for _, label in pairs])))
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}", flush=True)


def measured(answers: Array, labels: Array, classes: int) -> tuple[float, Array]:
    """(share of pixels that are right, intersection over union of each class); void pixels do not count."""
    known = labels < classes
    confusion = np.bincount(labels[known] * classes + answers[known], minlength=classes**2).reshape(classes, classes)
    right = np.diag(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - right
    return right.sum() / confusion.sum(), right / np.maximum(union, 1)


def figures(answers: Array, data: netlang.Dataset) -> dict[str, float]:
    """What is reported: of the net, and of naming every pixel by the most frequent class."""
    classes, labels = len(data.classes), data.test["label"]
    most = int(np.bincount(data.train["label"].ravel(), minlength=classes)[:classes].argmax())
    accuracy, overlap = measured(answers, labels, classes)
    plain, plain_overlap = measured(np.full_like(answers, most), labels, classes)
    present = np.isin(np.arange(classes), labels)
    found = {"accuracy": accuracy, "mean_iou": overlap[present].mean()}
    found |= {f"iou_{name}": overlap[c] for c, name in enumerate(data.classes) if present[c]}
    return found | {"baseline_accuracy": plain, "baseline_mean_iou": plain_overlap[present].mean()}


def drawn(answers: Array, data: netlang.Dataset) -> Any:
    """Held-out pictures, their labels, and the answers of the net; void is black in both."""
    classes, labels = len(data.classes), data.test["label"]
    colours = ((40, 40, 40), (235, 235, 235), (200, 60, 60)) if classes == 2 else (*COLOURS[:classes], COLOURS[-1])
    rows = []
    for i in np.linspace(0, len(answers) - 1, SHOWN).astype(int):
        answer = np.where(labels[i] < classes, answers[i], classes)
        rows.append([data.test["image"][i], painted(labels[i], colours), painted(answer, colours)])
    scale = max(1, 192 // labels.shape[1])
    return sheet(rows, columns=("picture", "labels", "the net's answer"), scale=scale)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="unet", choices=("unet", "fcn"))
    parser.add_argument("--data", default="scenes", metavar="SOURCE")
    parser.add_argument("--quick", action="store_true", help="one epoch")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", type=Path, metavar="OUT.json")
    parser.add_argument("--pictures", type=Path, metavar="DIR")
    args = parser.parse_args()
    size = SIZES.get(args.data, (3, 256, 256))
    data = netlang.data(args.data, wanted=size)
    arguments = dict(zip(("colours", "height", "width"), size, strict=True)) | {"classes": len(data.classes)}
    model = netlang.compile(HERE / f"{args.net}.net", arguments=arguments)
    trained(model, data, args.data, args.seed, 1 if args.quick else EPOCHS.get(args.data, 40))
    images = data.test["image"].astype(np.float32) / 255
    answers = np.concatenate([model(images[i : i + 1]).argmax(axis=1) for i in range(len(images))])
    found = {name: float(value) for name, value in figures(answers, data).items()}
    print("  ".join(f"{name} {value:.4f}" for name, value in found.items()))
    name = f"{args.net}_{args.data.split(':')[0]}.png"
    if args.pictures:
        save(drawn(answers, data), args.pictures / name, colours=64)
    if args.figures:
        args.figures.write_text(json.dumps({"figures": found, "pictures": [name] if args.pictures else []}))


if __name__ == "__main__":
    main()
