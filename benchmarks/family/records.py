"""The record of a family of examples, `examples/<family>/family.toml`, read and checked.

It says where the family comes from, which nets it has with their published sizes, and which trainings show what. The
tests of the examples, the table of results and the gallery all go by these records.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
RECORD = "family.toml"


class RecordError(Exception):
    """A record does not say what it must, or says something unknown."""


@dataclass(frozen=True)
class Net:
    """One net that a family shows.

    file        relative to the family's folder
    parameters  trained parameters of the inference graph, exactly
    published   where that number stands, if it is published
    net         which net of the file; the last if it is not said
    arguments   values for parameters of the net, where one file describes several: `{ depth = 101 }`
    sizes       symbolic dims for which `outputs` holds
    outputs     the shape of every output
    shrunk      values that besides `arguments` make a copy small enough for finite differences
    small       symbolic dims for that copy
    balanced    `train` sections whose loss is a difference that training keeps near zero: it need not fall
    """

    file: str
    parameters: int
    published: str = ""
    net: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=lambda: {"N": 1})
    outputs: Mapping[str, Sequence[int]] = field(default_factory=dict)
    shrunk: Mapping[str, Any] = field(default_factory=dict)
    small: Mapping[str, int] = field(default_factory=lambda: {"N": 2})
    balanced: Sequence[str] = ()

    @property
    def title(self) -> str:
        """The file, and which of the nets in it: `resnet.net depth = 101`."""
        given = [f"{name} = {value}" for name, value in self.arguments.items()]
        return " ".join([self.file, *([self.net] if self.net else []), *given])


@dataclass(frozen=True)
class Training:
    """One training, and what it must show.

    Either `net` is trained on `data` as `netc train` does, or `script` is run with `arguments`. `asked` says for some
    of the figures what they must be: `{accuracy = ">= 98.8 %"}`. `needs` are data sources that must be there. `shown`:
    whether the gallery shows the pictures that the script makes.
    """

    name: str
    net: str = ""
    data: str = ""
    epochs: int | None = None
    seed: int = 1
    phase: str | None = None
    arguments_of_net: Mapping[str, Any] = field(default_factory=dict)
    script: str = ""
    arguments: Sequence[str] = ()
    asked: Mapping[str, str] = field(default_factory=dict)
    needs: Sequence[str] = ()
    shown: bool = True


@dataclass(frozen=True)
class Family:
    """One row of the gallery. `order` is its place there, `source` the work it is from."""

    folder: Path
    title: str
    order: int
    source: str
    nets: tuple[Net, ...]
    trainings: tuple[Training, ...] = ()

    @property
    def name(self) -> str:
        return self.folder.name

    def path(self, file: str) -> Path:
        """Where a file of the family is."""
        return (self.folder / file).resolve()


def families() -> tuple[Family, ...]:
    """All families, in the order of the gallery. Raises RecordError."""
    found = [read(path) for path in EXAMPLES.glob(f"*/{RECORD}")]
    return tuple(sorted(found, key=lambda f: (f.order, f.name)))


def read(path: Path) -> Family:
    """The record in a file. Raises RecordError."""
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as fault:
        raise RecordError(f"{path}: {fault}") from fault
    nets = tuple(_made(Net, entry, path) for entry in text.pop("net", []))
    trainings = tuple(_made(Training, entry, path) for entry in text.pop("training", []))
    family = _made(Family, {**text, "folder": path.parent, "nets": nets, "trainings": trainings}, path)
    _check(family, path)
    return family


def _made(kind: type[Any], entry: Mapping[str, Any], path: Path) -> Any:
    known = {f.name: f for f in fields(kind)}
    for key in entry:
        if key not in known:
            raise RecordError(f"{path}: {kind.__name__} has no '{key}'")
    for name, f in known.items():
        if name not in entry and f.default is MISSING and f.default_factory is MISSING:
            raise RecordError(f"{path}: a {kind.__name__} needs '{name}'")
    return kind(**entry)


def _check(family: Family, path: Path) -> None:
    for training in family.trainings:
        if bool(training.net) == bool(training.script):
            raise RecordError(f"{path}: training '{training.name}' needs either a net or a script")
        if training.net and not training.data:
            raise RecordError(f"{path}: training '{training.name}' needs data")
    named = [n.file for n in family.nets] + [t.net or t.script for t in family.trainings]
    for file in named:
        if not family.path(file).is_file():
            raise RecordError(f"{path}: there is no file {file}")
    names = [t.name for t in family.trainings]
    if len(set(names)) < len(names):
        raise RecordError(f"{path}: two trainings have the same name")
