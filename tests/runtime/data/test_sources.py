"""Data sources: what each reads and how damaged files are refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netlang.diagnostics import NetError
from netlang.runtime.data import folder, mnist, npz, sources

RNG = np.random.default_rng(0)
SHARED = Path("../shared/data/mnist")


def idx(array: Any) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def small_mnist(at: Path, packed: bool = False) -> dict[str, bytes]:
    at.mkdir(exist_ok=True)
    files = {}
    for part, count in (("train", 6), ("t10k", 3)):
        files[f"{part}-images-idx3-ubyte"] = idx(RNG.integers(0, 256, (count, 4, 5), np.uint8))
        files[f"{part}-labels-idx1-ubyte"] = idx(RNG.integers(0, 10, count).astype(np.uint8))
    for name, content in files.items():
        path = at / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content) if packed else content)
    return files


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files(tmp_path: Path, packed: bool) -> None:
    files = small_mnist(tmp_path / "m", packed)
    data = sources.load(f"mnist:{tmp_path / 'm'}")
    assert data.train["image"].shape == (6, 4, 5) and data.test["label"].dtype == np.int64
    assert data.train["image"].tobytes() == files["train-images-idx3-ubyte"][16:]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "is not an idx file"),
        (b"\0\0\x08\x01\0\0\0\x03abc", "is not an idx file of unsigned bytes with 3 dims"),
        (bytes((0, 0, 8, 3)) + struct.pack(">3I", 2, 2, 2) + b"1234567", "announces 8 bytes, it has 7"),
        (bytes((0, 0, 8, 3)) + struct.pack(">3I", 2, 2, 2) + b"123456789", "announces 8 bytes, it has more"),
        (bytes((0, 0, 8, 3)) + b"\xff" * 12, "more than the 2,147,483,648 that are accepted"),
        (b"\x1f\x8b" + b"garbage", "cannot read"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-20], "idx"),
    ],
)
def test_damaged_idx_files(tmp_path: Path, content: bytes, text: str) -> None:
    small_mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(NetError) as fault:
        sources.load(f"mnist:{tmp_path}")
    assert text in str(fault.value) and "train-images-idx3-ubyte" in str(fault.value)


def test_images_and_labels_must_agree(tmp_path: Path) -> None:
    small_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(4, np.uint8)))
    with pytest.raises(NetError, match="3 t10k images but 4 labels"):
        sources.load(f"mnist:{tmp_path}")


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(NetError, match="has neither train-images-idx3-ubyte nor"):
        sources.load(f"mnist:{tmp_path}")
    with pytest.raises(NetError, match="there is no folder"):
        sources.load(f"mnist:{tmp_path / 'none'}")


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror in a folder, whose files the checksums are those of."""
    place = tmp_path / "mirror"
    files = small_mnist(place, packed=True)
    monkeypatch.setattr(mnist, "MIRROR", place.as_uri() + "/")
    monkeypatch.setattr(mnist, "CHECKSUMS", {n: hashlib.sha256(c).hexdigest() for n, c in files.items()})
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NETLANG_DATA", str(tmp_path / "nothing"))
    monkeypatch.chdir(tmp_path)
    return place


def test_downloading(mirror: Path, tmp_path: Path) -> None:
    assert sources.load("mnist").train["image"].shape == (6, 4, 5)
    for path in mirror.iterdir():
        path.unlink()
    assert sources.load("mnist").train["image"].shape == (6, 4, 5)


def test_a_wrong_checksum_leaves_nothing(mirror: Path, tmp_path: Path) -> None:
    (mirror / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(3, np.uint8))))
    with pytest.raises(NetError, match="checksum"):
        sources.load("mnist")
    assert not list((tmp_path / "cache").rglob("t10k-labels*"))


def test_a_failing_download(mirror: Path) -> None:
    (mirror / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(NetError, match=r"cannot download[\s\S]*mnist:FOLDER"):
        sources.load("mnist")


def test_the_data_folder_is_looked_in_first(mirror: Path, tmp_path: Path) -> None:
    small_mnist(tmp_path / "nothing")
    sources.load("mnist")
    assert not (tmp_path / "cache").exists()


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is missing")
def test_the_real_files() -> None:
    data = sources.load(f"mnist:{SHARED}")
    assert data.train["image"].shape == (60000, 28, 28) and data.test["image"].shape == (10000, 28, 28)
    assert list(np.bincount(data.test["label"])) == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_digits() -> None:
    pytest.importorskip("sklearn")
    data = sources.load("digits")
    assert len(data.train["label"]) == 1438 and len(data.test["label"]) == 359
    assert data.train["image"].max() == 1 and data.train["image"].dtype == np.float32


def test_npz_with_and_without_test_arrays(tmp_path: Path) -> None:
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    data = sources.load(str(tmp_path / "a.npz"))
    assert list(data.test["y"]) == [4, 9] and len(data.train["x"]) == 8
    np.savez_compressed(tmp_path / "b.npz", train_x=x, y=y, test_x=x[:3], y_test=y[:3])
    data = sources.load(str(tmp_path / "b.npz"))
    assert len(data.train["x"]) == 10 and len(data.test["y"]) == 3


def with_member(path: Path, header: bytes, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content)
    return path


def test_npz_files_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.array([{}], object))
    with pytest.raises(NetError, match="'x' holds Python objects"):
        npz.load(path)
    whole = io.BytesIO()
    np.savez(whole, x=np.ones(100))
    path.write_bytes(whole.getvalue()[:-30])
    with pytest.raises(NetError, match="cannot read"):
        npz.load(path)
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }\n"
    with pytest.raises(NetError, match="announces 4,000,000,000,000 bytes, the file has 8"):
        npz.load(with_member(path, header, b"12345678"))
    with pytest.raises(NetError, match="cannot read"):
        npz.load(with_member(path, b"{'nonsense'", b""))
    np.savez(path, x=np.ones(3), y=np.ones(4))
    with pytest.raises(NetError, match="differ in their number of samples"):
        npz.load(path)
    np.savez(path, x=np.ones(3), test_y=np.ones(4))
    with pytest.raises(NetError, match="'x' is only among the training arrays"):
        npz.load(path)
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }\n"
    for shape in (b"True, 2", b"-1, -2", b"0, 10000000000000000000000000000"):
        with pytest.raises(NetError, match="an array cannot have the shape"):
            npz.load(with_member(path, header % shape, b"12345678" if shape[:1] != b"0" else b""))
    with pytest.raises(NetError, match="there is nothing in the rows of 'x'"):
        npz.load(with_member(path, header % b"1000000000000000000, 0", b""))
    np.savez(path, x=3)
    with pytest.raises(NetError, match="single number"):
        npz.load(path)
    np.savez(path)
    with pytest.raises(NetError, match="no arrays"):
        npz.load(path)


def test_an_encrypted_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.ones(3))
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    path.write_bytes(content)
    with pytest.raises(NetError, match=r"a\.npz: .* is encrypted"):
        npz.load(path)


def test_what_is_no_npy_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for content in (b"", b"hello", b"net a() {}"):
        path.write_bytes(content)
        with pytest.raises(NetError, match=r"cannot read .*: it does not begin as a \.npy file does"):
            npz.read_npy(path)


def pictures(root: Path, mode: str = "RGB") -> None:
    for number, name in enumerate(("cat", "ant", "bee")):
        (root / name).mkdir(parents=True)
        for i in range(3):
            Image.new(mode, (6 + i, 5), 40 * number + i if mode == "L" else (40 * number + i,) * 3).save(
                root / name / f"{i}.png"
            )


def test_a_folder_of_images(tmp_path: Path) -> None:
    pictures(tmp_path)
    data = sources.load(str(tmp_path), (1, 4, 4))
    assert data.classes == ("ant", "bee", "cat")
    assert data.train["image"].shape == (8, 1, 4, 4) and list(data.test["label"]) == [1]
    assert data.train["image"][0].min() == 40 == data.train["image"][0].max()
    assert sources.load(str(tmp_path)).train["image"].shape == (8, 3, 5, 6)


def test_train_and_test_folders(tmp_path: Path) -> None:
    pictures(tmp_path / "train", "L")
    pictures(tmp_path / "test", "L")
    data = sources.load(str(tmp_path), (3, 4, 4))
    assert len(data.train["label"]) == 9 == len(data.test["label"])
    (tmp_path / "test" / "dog").mkdir()
    with pytest.raises(NetError, match="has the class 'dog'"):
        sources.load(str(tmp_path), (3, 4, 4))


def test_bad_images_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path)
    bad = tmp_path / "bee" / "1.png"
    bad.write_bytes(bad.read_bytes()[:40])
    with pytest.raises(NetError, match=r"bee/1\.png"):
        sources.load(str(tmp_path), (3, 4, 4))
    bad.write_bytes(b"not an image")
    with pytest.raises(NetError, match=r"bee/1\.png is called an image but is none that can be read"):
        sources.load(str(tmp_path), (3, 4, 4))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)  # Pillow's own warning is not to be seen
    monkeypatch.setattr(folder, "LARGEST", 30)
    with pytest.raises(NetError, match="7 x 5 pixels, more than 30"):
        sources.load(str(tmp_path), (3, 4, 4))


def test_what_must_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path)

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(NetError, match=r"cannot read .*: Permission denied"):
        sources.load(str(tmp_path), (1, 4, 4))


def test_folders_without_images(tmp_path: Path) -> None:
    with pytest.raises(NetError, match="has no folders of images"):
        sources.load(str(tmp_path))
    (tmp_path / "a").mkdir()
    with pytest.raises(NetError, match="holds no images"):
        sources.load(str(tmp_path), (1, 4, 4))


def test_unknown_sources(tmp_path: Path) -> None:
    with pytest.raises(NetError, match="did you mean 'digits'"):
        sources.load("digit")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(NetError, match="is neither"):
        sources.load(str(tmp_path / "a.txt"))
