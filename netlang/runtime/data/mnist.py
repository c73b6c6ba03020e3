"""`mnist` and `mnist:DIR`: the four idx files of LeCun, Cortes & Burges, gzipped or not; anything in their format.

idx: big-endian; two zero bytes, an element type (8: unsigned byte), the rank, one u32 per dim, then the elements.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import urllib.request
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from netlang.diagnostics import NetError
from netlang.runtime.data.dataset import IMAGE, LABEL, Array, Dataset
from netlang.runtime.files import make_folder, replacing

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
TIMEOUT = 30
"""Seconds without an answer after which a download fails."""

CHECKSUMS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""SHA-256 of the files once unpacked: what they are compressed with does not matter."""

LARGEST = 1 << 31
"""Bytes that one file may unpack to."""


def load(folder: Path | None, places: Sequence[Path], cache: Path) -> Dataset:
    """MNIST from `folder`; without one, from the first of `places` that has it, else downloaded into `cache`."""
    if folder is None:
        found = [p for p in (*places, cache) if all(_present(p, name) for name in CHECKSUMS)]
        folder = found[0] if found else download(cache)
    train, test = _split(folder, "train"), _split(folder, "t10k")
    return Dataset("mnist", train, test, tuple(map(str, range(10))), "the t10k files")


def _split(folder: Path, part: str) -> dict[str, Array]:
    images = read_idx(_path(folder, f"{part}-images-idx3-ubyte"), rank=3)
    labels = read_idx(_path(folder, f"{part}-labels-idx1-ubyte"), rank=1)
    if len(images) != len(labels):
        raise NetError(f"{folder}: {len(images)} {part} images but {len(labels)} labels")
    return {IMAGE: images, LABEL: labels.astype(np.int64)}


def _path(folder: Path, name: str) -> Path:
    found = _present(folder, name)
    if found is None:
        raise NetError(f"{folder} has neither {name} nor {name}.gz")
    return found


def _present(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def read_idx(path: Path, rank: int) -> Array:
    """The bytes of an idx file as an array of `rank` dims. Raises NetError unless header and length agree."""
    try:
        with _opened(path) as file:
            return _read(file, path, rank)
    except (OSError, EOFError, zlib.error) as fault:
        raise NetError(f"cannot read {path}: {fault}") from fault


def _opened(path: Path) -> BinaryIO:
    raw = path.open("rb")
    if raw.read(2) == b"\x1f\x8b":
        raw.close()
        return gzip.open(path, "rb")  # type: ignore[return-value]
    raw.seek(0)
    return raw


def _read(file: BinaryIO, path: Path, rank: int) -> Array:
    header = file.read(4 + 4 * rank)
    if len(header) < 4 + 4 * rank or header[:4] != bytes((0, 0, 8, rank)):
        raise NetError(f"{path} is not an idx file of unsigned bytes with {rank} dims")
    shape = struct.unpack(f">{rank}I", header[4:])
    size = 1
    for dim in shape:
        size *= dim
    if size > LARGEST:
        raise NetError(f"{path}: its header announces {size:,} bytes, more than the {LARGEST:,} that are accepted")
    # One byte more than announced: a longer file is as wrong as a shorter one.
    content = file.read(size + 1)
    if len(content) != size:
        more = "more" if len(content) > size else f"{len(content):,}"
        raise NetError(f"{path}: its header announces {size:,} bytes, it has {more}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def download(folder: Path) -> Path:
    """Fetch the four files into `folder` and check them. Raises NetError where that fails; nothing half is left."""
    make_folder(folder)
    for name, checksum in CHECKSUMS.items():
        if _present(folder, name) is None:
            _fetch(f"{MIRROR}{name}.gz", folder / name, checksum)
    return folder


def _fetch(url: str, path: Path, checksum: str) -> None:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            packed = answer.read(1 << 26)
        content = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as fault:
        hint = "put the four idx files into a folder and give mnist:FOLDER, or set NETLANG_DATA"
        raise NetError(f"cannot download {url}: {fault}", hint=hint) from fault
    found = hashlib.sha256(content).hexdigest()
    if found != checksum:
        raise NetError(f"{url} has the SHA-256 checksum {found}, expected {checksum}; it was not kept")
    with replacing(path) as temporary:
        temporary.write_bytes(content)
