"""Conformance cases of ONNX: a model, what goes in, what must come out.

They come from an archive (`<group>/<case>/model.onnx` and `test_data_set_N/{input,output}_M.pb`), which is read without
unpacking it, or from the generators that the `onnx` package brings along.
"""

from __future__ import annotations

import re
import tarfile
import warnings
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netlang.diagnostics import NetError

_MOST = 64 << 20
"""Bytes of a file of an archive."""
_MOST_IN_ALL = 2 << 30
_FILE = re.compile(r"(?:.*/)?([\w-]+)/([\w-]+)/(model\.onnx|test_data_set_(\d+)/(input|output)_(\d+)\.pb)")

GENERATED = "generated"
"""What the cases of the onnx package are asked for with."""


@dataclass(frozen=True)
class Case:
    """A case: messages of protocol buffers as bytes; `sets` has (inputs, outputs) of each set of data."""

    group: str
    name: str
    model: bytes
    sets: tuple[tuple[tuple[bytes, ...], tuple[bytes, ...]], ...]
    rtol: float = 1e-3
    atol: float = 1e-4


def cases(source: str) -> list[Case]:
    """The cases of an archive, or GENERATED ones, by group and name."""
    found = _generated() if source == GENERATED else _archived(Path(source))
    return sorted(found, key=lambda case: (case.group, case.name))


def _archived(path: Path) -> Iterator[Case]:
    models: dict[tuple[str, str], bytes] = {}
    data: dict[tuple[str, str], dict[tuple[int, str, int], bytes]] = defaultdict(dict)
    for match, body in _files(path):
        key = (match[1], match[2])
        if match[3] == "model.onnx":
            models[key] = body
        else:
            data[key][int(match[4]), match[5], int(match[6])] = body
    for (group, name), model in models.items():
        yield Case(group, name, model, _sets(data[group, name]))


def _files(path: Path) -> Iterator[tuple[re.Match[str], bytes]]:
    """(what the path says, the bytes) of every file of a case. Raises NetError where an archive cannot be read."""
    total = 0
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                match = _FILE.fullmatch(member.name)
                file = archive.extractfile(member) if match and member.isfile() else None
                if match is None or file is None:
                    continue
                total += member.size
                if member.size > _MOST or total > _MOST_IN_ALL:
                    raise NetError(f"{path}: '{member.name}' has {member.size:,} bytes, which is more than is read")
                yield match, file.read()
    except (OSError, EOFError, zlib.error, tarfile.TarError) as fault:
        raise NetError(f"cannot read {path}: {fault}") from fault


def _sets(files: dict[tuple[int, str, int], bytes]) -> tuple[tuple[tuple[bytes, ...], tuple[bytes, ...]], ...]:
    def of(number: int, kind: str) -> tuple[bytes, ...]:
        return tuple(files[key] for key in sorted(files) if key[:2] == (number, kind))

    return tuple((of(n, "input"), of(n, "output")) for n in sorted({key[0] for key in files}))


def _generated() -> Iterator[Case]:
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = collect_testcases(None)
    for case in made:
        if case.model is None or not all(_is_array(v) for s in case.data_sets for part in s for v in part):
            continue
        ports = case.model.graph
        sets = tuple((_messages(i, ports.input), _messages(o, ports.output)) for i, o in case.data_sets)
        yield Case("node", case.name, case.model.SerializeToString(), sets, max(case.rtol, 1e-3), max(case.atol, 1e-4))


def _is_array(value: Any) -> bool:
    import numpy as np
    from onnx import TensorProto

    return isinstance(value, np.ndarray | np.generic | TensorProto)


def _messages(values: Any, ports: Any) -> tuple[bytes, ...]:
    import numpy as np
    from onnx import TensorProto, numpy_helper

    found = []
    for value, port in zip(values, ports, strict=False):
        tensor = value if isinstance(value, TensorProto) else numpy_helper.from_array(np.asarray(value), port.name)
        found.append(tensor.SerializeToString())
    return tuple(found)
