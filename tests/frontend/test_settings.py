"""Parameters of nets and constants of a file from outside: in Python and on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netlang
from netlang.cli import main
from netlang.diagnostics import NetError
from netlang.frontend import load
from netlang.frontend.settings import written

TEXT = """\
classes = 10
kernels = [3, 3]
padding = same
start = he_normal()

net small(width = 2, wider = width * 2, bias = true) {
  input x: f32[N, 1, 8, 8]
  h = x -> conv(width, kernels, pad = padding, bias = bias, init = start) -> conv(wider, 1)
  output y = h -> global_avgpool -> dense(classes)
}
"""


def shapes(**arguments: Any) -> dict[str, tuple[int, ...]]:
    return {p.node.name: p.type.concrete({}) for p in load(TEXT, arguments=arguments).net.params}


def test_parameters_take_the_place_of_defaults_and_defaults_follow() -> None:
    assert shapes()["conv2.weight"] == (4, 2, 1, 1)
    assert shapes(width=3)["conv2.weight"] == (6, 3, 1, 1)
    assert shapes(width=np.int64(3), wider=5)["conv2.weight"] == (5, 3, 1, 1)
    assert "conv1.bias" not in shapes(bias=False)


def test_constants_of_the_file_too() -> None:
    found = shapes(classes=4, kernels=(5, 1), padding="valid")
    assert found["dense1.weight"] == (4, 4)
    assert found["conv1.weight"] == (2, 1, 5, 1)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ({"widht": 3}, "<text> has no parameter 'widht'", "did you mean 'width'?"),
        ({"zzz": 3}, "no parameter 'zzz'", "there are classes, kernels, padding, start, width, wider, bias"),
        (
            {"width": {}},
            "the parameter 'width' cannot be set: dict is nothing that a file could hold",
            "there are numb",
        ),
        ({"width": 2**70}, "it must fit into 64 bits", ""),
        ({"width": float("nan")}, "too large for a floating-point number", ""),
        (
            {"start": 3},
            "<text>:4:1: error: 'start' cannot be set from outside: it is the initialiser 'he_normal'",
            "what",
        ),
        ({"width": 0}, "<text>:8:12: error: conv: channels must be a whole number of at least 1, got 0", ""),
        ({"padding": "samee"}, "samee", ""),
    ],
)
def test_what_cannot_be_set(arguments: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(NetError) as raised:
        load(TEXT, arguments=arguments)
    assert message in str(raised.value) and hint in str(raised.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("width=4", 4), ("width = -2.5", -2.5), ("width=1e3", 1000.0), ("width=true", True), ("width=none", None),
        ("width=same", "same"), ('width="a b"', "a b"), ("width=[1, [2, x]]", [1, [2, "x"]]), ("width=1, 2", [1, 2]),
    ],
)  # fmt: skip
def test_settings_are_written_as_in_a_file(text: str, value: Any) -> None:
    found = written(text)
    assert found == ("width", value) and type(found[1]) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width", "--set:1:6: error: expected"),
        ("", "'' is not a name and its value"),
        ("a=1\nb=2", "is not a name and its value"),
        ("width=2*3", "--set:1:7: error: nothing is worked out here"),
        ("width=f(3)", "--set:1:7: error: nothing is worked out here"),
        ("width=99999999999999999999", "--set:1:7: error: the whole number is too large"),
        ("width=1e999", "--set:1:7: error: the number is too large"),
        ("width='a'", "--set:1:7: error: unexpected character"),
    ],
)
def test_settings_that_are_none(text: str, message: str) -> None:
    with pytest.raises(NetError) as raised:
        written(text)
    assert message in str(raised.value)


def test_compiling_and_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "small.net"
    path.write_text(TEXT)
    given = {"width": 3, "classes": 4}
    x = np.linspace(0, 1, 128, dtype=np.float32).reshape(2, 1, 8, 8)
    one, two = (netlang.compile(path, target=t, arguments=given).init(1)(x) for t in ("reference", "cpu"))
    assert one.shape == (2, 4) and np.allclose(one, two, atol=1e-5)
    assert netlang.compile(path, target="reference", arguments={"classes": 5}).init(1)(x).shape == (2, 5)
    assert main(["summary", str(path), "--set", "width=3", "--set", "classes=4", "--target", "reference"]) == 0
    assert "[1, 4]" in capsys.readouterr().out
    assert main(["check", str(path), "--set", "clases=4"]) == 2
    assert "did you mean 'classes'?" in capsys.readouterr().err


def test_a_module_with_other_arguments_is_another() -> None:
    plain, again, other = (load(TEXT, arguments=a).fingerprint for a in ({}, {}, {"width": 2}))
    assert plain == again != other
