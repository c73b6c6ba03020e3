"""From the word after `--data` to a data set."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from netlang import config
from netlang.diagnostics import NetError, did_you_mean
from netlang.runtime.data import digits, npz
from netlang.runtime.data.dataset import Dataset
from netlang.runtime.data.fitting import ImageShape
from netlang.runtime.data.places import find, roots

NAMED: dict[str, Callable[[int | None], Dataset]] = {
    "digits": lambda length: digits.load(),
    "mnist": lambda length: _by("mnist", None, _mnist_places(), config.cache_dir() / "data" / "mnist"),
    "names": lambda length: _by("names", find("surnames by language", ["names"], "names:DIR"), length),
    "names:generated": lambda length: _by("invented", length, function="surnames"),
    "polarity": lambda length: _by("sentences", _polarity(), length),
    "sentences:generated": lambda length: _by("invented", length, function="reviews"),
    "shakespeare": lambda length: _by("text", _shakespeare(), length),
    "text": lambda length: _by("text", None, length),
}
"""Sources that need no path. `length` is that of rows of symbols, where a net says it."""

PREFIXED: dict[str, Callable[[Path, int | None], Dataset]] = {
    "mnist": lambda path, length: _by("mnist", _existing(path), (), Path()),
    "names": lambda path, length: _by("names", _existing(path), length),
    "sentences": lambda path, length: _by("sentences", _existing(path), length),
    "text": lambda path, length: _by("text", path, length),
}
"""Sources that are written `word:PATH`."""

FORMS = f"{', '.join(NAMED)}, {', '.join(f'{word}:PATH' for word in PREFIXED)}, a .npz file, a folder of images"


def load(source: str, wanted: ImageShape | None = None, length: int | None = None) -> Dataset:
    """The data set that `source` names, as after `netc train --data`; docs/data.md lists them.

    `wanted` is the size (channels, height, width) to which a folder's images are read, `length` that of rows of letters
    or words; without them it is what the data have. Raises NetError for a source that there is not, and for faults of
    the data.
    """
    try:
        return _load(source, wanted, length)
    except OSError as fault:
        raise NetError(f"cannot read {fault.filename or source}: {fault.strerror or fault}") from fault


def _load(source: str, wanted: ImageShape | None, length: int | None) -> Dataset:
    if source in NAMED:
        return NAMED[source](length)
    word, colon, rest = source.partition(":")
    if colon and word in PREFIXED:
        return PREFIXED[word](Path(rest), length)
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
