"""The runtime as a wheel of its own: what `netlang.load` imports, and nothing else. It depends on NumPy alone.

    python -m netlang.runtime.artifact.wheel dist

It is called `netlang-runtime`, has the modules where netlang has them, and is installed instead of netlang, not beside
it. The same sources give the same bytes.
"""

from __future__ import annotations

import ast
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from netlang import __version__
from netlang.runtime.files import make_folder, replacing

ROOTS = (
    "netlang",
    "netlang.runtime.artifact.loading",
    "netlang.backends.cpu.artifact.model",
    "netlang.backends.common.learning",
    "netlang.backends.common.file_checkpoint",
)
"""What is imported to open a file, to run it on a CPU, and to go on learning there."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_METADATA = """Metadata-Version: 2.1
Name: netlang-runtime
Version: {version}
Summary: Runs networks that netlang has compiled. Needs neither a compiler nor netlang.
License: Apache-2.0
Requires-Python: >=3.11
Requires-Dist: numpy>=1.26
"""
_WHEEL = "Wheel-Version: 1.0\nGenerator: netlang {version}\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def build(folder: Path) -> Path:
    """Write the wheel into a folder; returns its path. Raises NetError where that is refused."""
    info = f"netlang_runtime-{__version__}.dist-info"
    files = {name: path.read_bytes() for name, path in sorted(sources().items())}
    files[f"{info}/METADATA"] = _METADATA.format(version=__version__).encode()
    files[f"{info}/WHEEL"] = _WHEEL.format(version=__version__).encode()
    record = [f"{name},sha256={_digest(body)},{len(body)}" for name, body in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    path = make_folder(folder) / f"netlang_runtime-{__version__}-py3-none-any.whl"
    with replacing(path) as temporary, ZipFile(temporary, "w") as archive:
        for name, body in files.items():
            entry = ZipInfo(name, _EPOCH)
            entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, body)
    return path


def sources() -> dict[str, Path]:
    """The modules that are needed, by their paths when installed, and where they are now."""
    found: dict[str, Path] = {}
    waiting = list(ROOTS)
    while waiting:
        module = waiting.pop()
        spec = find_spec(module)
        assert spec is not None and spec.origin is not None
        place = module.replace(".", "/") + ("/__init__.py" if spec.submodule_search_locations else ".py")
        if place not in found:
            found[place] = Path(spec.origin)
            waiting += [module.rpartition(".")[0]] if "." in module else []
            waiting += imported(found[place])
    return found


def imported(path: Path) -> Iterator[str]:
    """The modules of netlang that a file imports when it is imported itself."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if _is_module(name) else str(node.module) for name in below]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == "netlang")


def _is_module(name: str) -> bool:
    """Whether it is one, rather than something in a module."""
    try:
        return name.startswith("netlang.") and find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _digest(body: bytes) -> str:
    return urlsafe_b64encode(sha256(body).digest()).rstrip(b"=").decode()


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist")))
