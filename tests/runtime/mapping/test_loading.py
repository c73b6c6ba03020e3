"""Weights of files into models: what is taken, what is left out, and what is refused before anything is changed."""

from __future__ import annotations

import json
import random
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

import netlang
from netlang.diagnostics import NetError, Source
from netlang.runtime.mapping.loading import open_stored
from netlang.runtime.mapping.table import Table, parse_table
from netlang.runtime.model import Model

NET = "net n(out = 3) { input x: f32[N, 4]\n output y = x -> dense(2) -> relu -> dense(out) }"
DRAW = np.random.default_rng(0)
WEIGHTS = {
    "dense1.weight": DRAW.normal(size=(2, 4)).astype(np.float32), "dense1.bias": DRAW.normal(size=2).astype(np.float32),
    "dense2.weight": DRAW.normal(size=(3, 2)).astype(np.float32), "dense2.bias": DRAW.normal(size=3).astype(np.float32),
}  # fmt: skip


@pytest.fixture
def model() -> Model:
    return netlang.compile(NET, target="reference")


def table(text: str) -> Table:
    return parse_table(Source("t.map", text))


def stored(path: Path, **changes: np.ndarray | None) -> Path:
    """A file of WEIGHTS with these changes; __ stands for a dot."""
    named = {**WEIGHTS, **{name.replace("__", "."): array for name, array in changes.items()}}
    save_file({n: np.ascontiguousarray(a) for n, a in named.items() if a is not None}, path)
    return path


def test_the_model_itself_or_a_report(model: Model, tmp_path: Path) -> None:
    path = stored(tmp_path / "w")
    assert model.load_weights(path) is model
    report = model.load_weights(path, partial=True)
    assert set(report.taken) == set(WEIGHTS) and not report.left and not report.lacking and not report.guessed
    assert all(np.array_equal(model.parameters[name], array) for name, array in WEIGHTS.items())


def test_axes_sums_and_wider_types(model: Model, tmp_path: Path) -> None:
    half = WEIGHTS["dense1.bias"].astype(np.float16)
    path = stored(
        tmp_path / "w",
        dense1__weight=None, dense1__bias=None, dense2__bias=WEIGHTS["dense2.bias"].astype(ml_dtypes.bfloat16),
        first__kernel=WEIGHTS["dense1.weight"].T, first__a=half, first__b=half,
    )  # fmt: skip
    model.load_weights(path, map=table("*.kernel -> dense1.weight transpose\n*.a + *.b -> dense1.bias"))
    assert np.array_equal(model.parameters["dense1.weight"], WEIGHTS["dense1.weight"])
    assert np.array_equal(model.parameters["dense1.bias"], 2 * half.astype(np.float32))
    rounded = WEIGHTS["dense2.bias"].astype(ml_dtypes.bfloat16).astype(np.float32)
    assert np.array_equal(model.parameters["dense2.bias"], rounded)


def test_part_of_a_file(model: Model, tmp_path: Path) -> None:
    path = stored(tmp_path / "w", dense2__weight=np.zeros((9, 2), np.float32), dense2__bias=None, more=np.ones(1))
    with pytest.raises(NetError, match=r"call init\(\) first"):
        model.load_weights(path, partial=True)
    before = dict(model.init(3).parameters)
    report = model.load_weights(path, partial=True)
    assert set(report.taken) == {"dense1.weight", "dense1.bias"}
    assert report.lacking == ("dense2.weight", "dense2.bias")
    assert report.left == {
        "dense2.weight": "it is f32[9, 2], and 'dense2.weight' of the net f32[3, 2]",
        "more": "the net has no 'more'",
    }
    assert np.array_equal(model.parameters["dense2.weight"], before["dense2.weight"])
    assert "left out: 2" in str(report) and "not in the file: 2" in str(report)


@pytest.mark.parametrize(
    ("changes", "rules", "message"),
    [
        ({"dense1__bias": None}, "", r"lacks the tensor 'dense1.bias' \(f32\[2\]\)"),
        ({"more": np.ones(1)}, "", "has a tensor 'more' that the net does not"),
        ({"dense1__bias": np.zeros(2)}, "", r"(?s)expected f32\[2\], got f64\[2\].*convert .* --as f32 rounds"),
        ({"dense1__bias": np.zeros(2, np.int32)}, "", r"expected f32\[2\], got i32\[2\]"),
        ({"dense1__bias": np.zeros((2, 1), np.float32)}, "dense1.bias -> dense1.bias transpose",
         r"\('dense1.bias', t.map:1\): expected f32\[2\], got f32\[1, 2\]"),
        ({}, "dense1.bias -> dense1.bias transpose", r"the axes of f32\[2\] cannot be exchanged"),
        ({}, "dense1.weight -> dense1.weight transpose(2, 0, 1)", r"the axes of f32\[2, 4\] cannot be exchanged"),
        ({"b": np.zeros(3, np.float32)}, "dense1.bias + b -> dense1.bias", r"the sum are f32\[2\] and f32\[3\]"),
        ({"b": np.zeros(2, np.int32), "dense1__bias": np.zeros(2, np.int32)}, "dense1.bias + b -> dense1.bias",
         "tensors of i32 are not added up"),
        ({}, "dense1.* -> dense2.*", "two tensors would be 'dense2.weight'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_changes_nothing(
    model: Model, changes: dict[str, np.ndarray | None], rules: str, message: str, tmp_path: Path
) -> None:
    before = dict(model.init(1).parameters)
    with pytest.raises(NetError, match=message):
        model.load_weights(stored(tmp_path / "w", **changes), map=table(rules))
    assert all(np.array_equal(array, before[name]) for name, array in model.parameters.items())


def test_nothing_that_fits_is_no_part(model: Model, tmp_path: Path) -> None:
    save_file({"a": np.zeros(3)}, tmp_path / "w")
    with pytest.raises(NetError, match=r"nothing in .* fits the net"):
        model.init().load_weights(tmp_path / "w", partial=True)


def test_by_order_takes_layers_of_the_same_parameters(model: Model, tmp_path: Path) -> None:
    names = {"dense1": "layers.2", "dense2": "layers.10"}
    arrays = {f"{names[name.split('.')[0]]}.{name.split('.')[1]}": array for name, array in WEIGHTS.items()}
    save_file(arrays, tmp_path / "w")
    report = model.load_weights(tmp_path / "w", by_order=True)
    assert report.guessed == set(WEIGHTS) and report.taken["dense2.bias"] == ("layers.10.bias",)
    assert all(np.array_equal(model.parameters[name], array) for name, array in WEIGHTS.items())
    save_file({**arrays, "layers.3.weight": arrays["layers.2.weight"]}, tmp_path / "w")
    with pytest.raises(NetError, match=r"has a tensor 'layers.3.weight'"):
        model.load_weights(tmp_path / "w", by_order=True)


def test_layers_of_one_shape_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    model = netlang.compile(
        "net n { input x: f32[N, 2]\n output y = x -> dense(2) -> dense(2) -> dense(2) }", "reference"
    )
    arrays = {f"l{n}.{kind}": np.full(shape, n, np.float32) for n in (9, 10, 11) for kind, shape in
              (("kernel", (2, 2)), ("bias", (2,)))}  # fmt: skip
    save_file(arrays, tmp_path / "w")
    model.load_weights(tmp_path / "w", by_order=True)
    assert [model.parameters[f"dense{i}.bias"][0] for i in (1, 2, 3)] == [9, 10, 11]
    save_file({**arrays, "l12.kernel": arrays["l9.kernel"], "l12.bias": arrays["l9.bias"]}, tmp_path / "w")
    with pytest.raises(NetError, match="lacks the tensor"):
        model.load_weights(tmp_path / "w", by_order=True)


def test_arrays_of_numpy(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    np.savez(path, **{n: np.asfortranarray(a.astype(a.dtype.newbyteorder(">"))) for n, a in WEIGHTS.items()})
    model.load_weights(path)
    assert all(np.array_equal(model.parameters[name], array) for name, array in WEIGHTS.items())


def test_files_with_an_index(model: Model, tmp_path: Path) -> None:
    index, parts = tmp_path / "model.safetensors.index.json", {"a.safetensors": "dense1", "b.safetensors": "dense2"}
    for file, layer in parts.items():
        save_file({n: a for n, a in WEIGHTS.items() if n.startswith(layer)}, tmp_path / file)
    listed = {n: "a.safetensors" if n.startswith("dense1") else "b.safetensors" for n in WEIGHTS}
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": listed}, indent=2))
    model.load_weights(index)
    assert all(np.array_equal(model.parameters[name], array) for name, array in WEIGHTS.items())
    wrong = {"../a.safetensors": "not in its folder", "/etc/passwd": "not in its folder", "": "not in its folder",
             "b.safetensors": "and it is not", "c.safetensors": "No such file"}  # fmt: skip
    for file, message in wrong.items():
        index.write_text(json.dumps({"weight_map": {"dense1.bias": file}}))
        with pytest.raises(NetError, match=message):
            open_stored(index)
    for text in ('{"a b c d": 1}', '{"weight_map": 3}', '{"weight_map": {', "{" * 10):
        index.write_text(text)
        with pytest.raises(NetError, match="no index of"):
            open_stored(index)


def test_a_compiled_file(model: Model, tmp_path: Path) -> None:
    from netlang.cli import main

    (tmp_path / "n.net").write_text(NET)
    weights, path = stored(tmp_path / "w.safetensors"), tmp_path / "n.netc"
    assert main(["compile", str(tmp_path / "n.net"), "--weights", str(weights), "-o", str(path)]) == 0
    model.load_weights(path)
    assert all(np.array_equal(model.parameters[name], array) for name, array in WEIGHTS.items())


def test_files_that_are_none(tmp_path: Path) -> None:
    whole = stored(tmp_path / "w").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-5])
    (tmp_path / "h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50))
    np.savez(tmp_path / "objects.npz", a=np.array([{}]))
    np.savez(tmp_path / "texts.npz", a=np.array(["a"]))
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("readme", "text")
    (tmp_path / "half.npz").write_bytes((tmp_path / "texts.npz").read_bytes()[:100])
    faults = {"cut": "not a whole", "h5": "HDF5", "objects.npz": "Python objects", "texts.npz": "no real numbers",
              "zip": "without arrays", "half.npz": "cannot read", "no": "cannot read", "": "cannot read"}  # fmt: skip
    for name, message in faults.items():
        with pytest.raises(NetError, match=message):
            open_stored(tmp_path / name)


def test_types_that_are_not_read(tmp_path: Path) -> None:
    save_file({"c": np.zeros(3, np.complex64), "u": np.arange(3, dtype=np.uint16)}, tmp_path / "w")
    found = open_stored(tmp_path / "w")
    assert not found.readable("c") and found.readable("u") and found.read("u").tolist() == [0, 1, 2]
    with pytest.raises(NetError, match="elements of type C64"):
        found.read("c")


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_damaged_bytes_are_told(kind: str, tmp_path: Path) -> None:
    path, draw = tmp_path / "w", random.Random(kind)
    if kind == "npz":
        with path.open("wb") as file:
            np.savez_compressed(file, **WEIGHTS)
    else:
        stored(path)
    whole = path.read_bytes()
    for _ in range(200):
        at, size = draw.randrange(len(whole)), draw.randrange(9)
        path.write_bytes(whole[:at] + draw.randbytes(draw.randrange(9)) + whole[at + size :])
        try:
            found = open_stored(path)
            for name in filter(found.readable, found.entries):
                found.read(name)
        except NetError as fault:
            assert str(path) in str(fault)
