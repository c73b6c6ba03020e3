"""From the word after `--data` to a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from netlang import config
from netlang.diagnostics import NetError, did_you_mean
from netlang.runtime.data import digits, npz
from netlang.runtime.data.dataset import Dataset
from netlang.runtime.data.fitting import ImageShape
from netlang.runtime.data.places import find, roots


@dataclass(frozen=True)
class Wanted:
    """What a net says of the data it takes: the size of its images, the length of its rows of symbols."""

    image: ImageShape | None = None
    length: int | None = None


CIFAR = ("cifar-10-batches-bin", "cifar10_first3000.npz")
MEMBRANE = ("membrane", "cell")
STREETS = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "cyclist",
)  # fmt: skip
"""The eleven classes of CamVid as Badrinarayanan et al. (2017) put its 32 together; the number 11 is void there."""

NAMED: dict[str, Callable[[Wanted], Dataset]] = {
    "digits": lambda wanted: digits.load(),
    "mnist": lambda wanted: _by("mnist", None, _mnist_places(), config.cache_dir() / "data" / "mnist"),
    "names": lambda wanted: _by("names", find("surnames by language", ["names"], "names:DIR"), wanted.length),
    "names:generated": lambda wanted: _by("invented", wanted.length, function="surnames"),
    "polarity": lambda wanted: _by("sentences", _polarity(), wanted.length),
    "sentences:generated": lambda wanted: _by("invented", wanted.length, function="reviews"),
    "shakespeare": lambda wanted: _by("text", _shakespeare(), wanted.length),
    "text": lambda wanted: _by("text", None, wanted.length),
    "cifar": lambda wanted: _by("cifar", find("CIFAR's pictures", CIFAR, "cifar:DIR")),
    "faces": lambda wanted: _by("faces", find("the faces", ["orl_faces_img1to8.npz"], "faces:FILE")),
    "membrane": lambda wanted: _masks("membrane pictures", ["isbi_membrane"], wanted, MEMBRANE),
    "streets": lambda wanted: _masks("street scenes", ["camvid"], wanted, STREETS),
    "scenes": lambda wanted: _by("scenes", wanted.image),
}
"""Sources that need no path."""

PREFIXED: dict[str, Callable[[Path, Wanted], Dataset]] = {
    "mnist": lambda path, wanted: _by("mnist", _existing(path), (), Path()),
    "names": lambda path, wanted: _by("names", _existing(path), wanted.length),
    "sentences": lambda path, wanted: _by("sentences", _existing(path), wanted.length),
    "text": lambda path, wanted: _by("text", path, wanted.length),
    "cifar": lambda path, wanted: _by("cifar", path),
    "faces": lambda path, wanted: _by("faces", path),
    "masks": lambda path, wanted: _by("masks", _existing(path), wanted.image),
}
"""Sources that are written `word:PATH`."""

FORMS = f"{', '.join(NAMED)}, {', '.join(f'{word}:PATH' for word in PREFIXED)}, a .npz file, a folder of images"


def load(source: str, wanted: ImageShape | None = None, length: int | None = None) -> Dataset:
    """The data set that `source` names, as after `netc train --data`; docs/data.md lists them.

    `wanted` is the size (channels, height, width) to which pictures in folders are read, `length` that of rows of
    letters or words; without them it is what the data have. Raises NetError for a source that there is not, and for
    faults of the data.
    """
    try:
        return _load(source, wanted, length)
    except OSError as fault:
        raise NetError(f"cannot read {fault.filename or source}: {fault.strerror or fault}") from fault


def _load(source: str, wanted: ImageShape | None, length: int | None) -> Dataset:
    if source in NAMED:
        return NAMED[source](Wanted(wanted, length))
    word, colon, rest = source.partition(":")
    if colon and word in PREFIXED:
        return PREFIXED[word](Path(rest), Wanted(wanted, length))
    path = Path(source)
    if path.is_dir():
        return _by("folder", path, wanted)
    if path.is_file():
        if path.suffix != ".npz":
            raise NetError(f"{source} is neither a .npz file nor a folder of images")
        return npz.load(path)
    raise NetError(f"there is no data source '{source}'", hint=did_you_mean(source, NAMED) or f"sources are {FORMS}")


def _by(module: str, *arguments: object, function: str = "load") -> Dataset:
    """A function of a module that is imported when it is needed: Pillow and HTTP take longer than everything else."""
    found: Dataset = getattr(import_module(f"netlang.runtime.data.{module}"), function)(*arguments)
    return found


def _existing(path: Path) -> Path:
    if not path.is_dir():
        raise NetError(f"{path} is not a folder" if path.exists() else f"there is no folder {path}")
    return path


def _mnist_places() -> list[Path]:
    return [p for root in roots() for p in (root / "mnist", root)]


def _polarity() -> Path:
    return find("the polarity sentences", ["rt-polarity.pos", "rt-polarity/rt-polarity.pos"], "sentences:DIR").parent


def _shakespeare() -> Path:
    return find("Shakespeare's plays", ["tinyshakespeare.txt", "tinyshakespeare_first90.txt"], "text:FILE")


def _masks(what: str, names: Sequence[str], wanted: Wanted, classes: Sequence[str]) -> Dataset:
    return _by("masks", find(what, names, "masks:DIR"), wanted.image, classes)
