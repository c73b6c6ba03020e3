"""`netc import` where something is wrong: its exit status, and what is on the disk afterwards."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netlang.cli import main
from tests.interchange.importing.round_trip import exported, module_of, random_weights

pytest.importorskip("onnx")

from netlang.interchange import importing

TEXT = "net small {\n  input x: f32[N, 3]\n  output y = x -> dense(4) -> relu\n}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the file small.onnx in it."""
    monkeypatch.chdir(tmp_path)
    module = module_of(TEXT)
    exported(module, random_weights(module), tmp_path / "small.onnx")
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command says that ends with exit status 2, on standard error alone."""
    assert main(["import", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    return str(err)


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_wrong_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "text.onnx").write_text("net small {}\n")
    (folder / "empty.onnx").touch()
    before = files(folder)
    assert told(capsys, "missing.onnx") == "netc: error: cannot read 'missing.onnx': No such file or directory\n"
    assert "text.onnx is no ONNX file" in told(capsys, "text.onnx")
    assert "empty.onnx is no ONNX file: there is no graph in it" in told(capsys, "empty.onnx")
    assert ". is no ONNX file: it is a folder" in told(capsys, ".", "-o", "a.net")
    assert files(folder) == before


def test_places_that_cannot_be_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "a.safetensors").mkdir()
    assert "cannot write missing/a.net: No such file" in told(capsys, "small.onnx", "-o", "missing/a.net")
    message = told(capsys, "small.onnx", "--weights", "missing/w.safetensors")
    assert re.search(r"cannot write missing/w.safetensors: No such file", message)
    assert "cannot write sub: it is a folder" in told(capsys, "small.onnx", "-o", "sub")
    assert "a.safetensors: it is a folder" in told(capsys, "small.onnx", "-o", "sub/a.net")
    assert "small.onnx is what is read" in told(capsys, "small.onnx", "-o", "small.onnx")
    assert "small.onnx is what is read" in told(capsys, "small.onnx", "--weights", "small.onnx")
    assert "cannot both be a.net" in told(capsys, "small.onnx", "-o", "a.net", "--weights", "a.net")
    assert files(folder) == ["small.onnx", "sub"] and files(folder / "sub") == ["a.safetensors"]


def test_old_files_stay_where_new_ones_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "small.net").write_text("old")
    (folder / "small.safetensors").write_text("older")

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(importing, "save", full)
    assert "cannot write small.net: No space left on device" in told(capsys, "small.onnx")
    assert files(folder) == ["small.net", "small.onnx", "small.safetensors"]
    assert (folder / "small.net").read_text() == "old" and (folder / "small.safetensors").read_text() == "older"


def test_wrong_arguments(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in {
        ("--size", "N"): "'N' is not a name and a number",
        ("--size", "N=many"): "many",
        ("--batch", "-1"): "-1",
        ("--value", "x"): "'x' is not a name and a value",
    }.items():
        with pytest.raises(SystemExit) as ended:
            main(["import", "small.onnx", *arguments])
        assert ended.value.code == 2 and message in capsys.readouterr().err
    assert "'x' has no elements: [0, 3]" in told(capsys, "small.onnx", "--size", "N=0")
    assert "no input 'z' to give a value\n  hint: it has x" in told(capsys, "small.onnx", "--value", "z=1")
    assert files(folder) == ["small.onnx"]


@pytest.mark.parametrize("place", ["inlined", "save"])
def test_interrupted(
    place: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while it reads, and between the two files that it writes."""

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(importing, place, interrupted)
    assert main(["import", "small.onnx"]) == 130
    assert capsys.readouterr() == ("", "interrupted\n")
    assert files(folder) == ["small.onnx"]
