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

NAMED: dict[str, Callable[[], Dataset]] = {
    "digits": digits.load,
    "mnist": lambda: _load_by("mnist", None, _places(), config.cache_dir() / "data" / "mnist"),
}
"""Sources that need no path."""


def load(source: str, wanted: ImageShape | None = None) -> Dataset:
    """`digits`, `mnist`, `mnist:DIR`, a `.npz` file or a folder of images by class.

    `wanted` is the size to which a folder's images are read. Raises NetError for anything else, and for faults of the
    data.
    """
    try:
        return _load(source, wanted)
    except OSError as fault:
        raise NetError(f"cannot read {fault.filename or source}: {fault.strerror or fault}") from fault


def _load(source: str, wanted: ImageShape | None) -> Dataset:
    if source in NAMED:
        return NAMED[source]()
    if source.startswith("mnist:"):
        return _load_by("mnist", _existing(source.removeprefix("mnist:")), (), Path())
    path = Path(source)
    if path.is_dir():
        return _load_by("folder", path, wanted)
    if path.is_file():
        if path.suffix != ".npz":
            raise NetError(f"{source} is neither a .npz file nor a folder of images")
        return npz.load(path)
    hint = did_you_mean(source, NAMED) or "sources are digits, mnist, mnist:DIR, a .npz file, a folder of images"
    raise NetError(f"there is no data source '{source}'", hint=hint)


def _load_by(module: str, *arguments: object) -> Dataset:
    """`load` of a module that is imported when it is needed: Pillow and HTTP take longer than everything else here."""
    found: Dataset = import_module(f"netlang.runtime.data.{module}").load(*arguments)
    return found


def _existing(name: str) -> Path:
    path = Path(name)
    if not path.is_dir():
        raise NetError(f"{name} is not a folder" if path.exists() else f"there is no folder {name}")
    return path


def _places() -> list[Path]:
    """Where MNIST is looked for, in this order: NETLANG_DATA, then beside the project."""
    roots = [Path(config.get("NETLANG_DATA"))] if config.get("NETLANG_DATA") else []
    roots.append(Path("..") / "shared" / "data")
    return [p for root in roots for p in (root / "mnist", root)]
