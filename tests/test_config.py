"""The table of NETLANG_* variables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import netlang
from netlang import config
from netlang.diagnostics import NetError

_ROOT = Path(netlang.__file__).parent


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*config.VARIABLES, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert config.get("NETLANG_THREADS") is None
    assert config.get("NETLANG_VERIFY") is True
    assert config.get("NETLANG_TIMING") is False
    assert config.get("NETLANG_BACKEND") == config.get("NETLANG_DUMP") == config.get("NETLANG_DATA") == ""
    assert config.cache_dir() == Path.home() / ".cache" / "netlang"


def test_values_are_read_when_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETLANG_THREADS", "3")
    assert config.get("NETLANG_THREADS") == 3
    monkeypatch.setenv("NETLANG_VERIFY", "off")
    assert config.get("NETLANG_VERIFY") is False
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("NETLANG_CACHE", raising=False)
    assert config.cache_dir() == tmp_path / "netlang"
    monkeypatch.setenv("NETLANG_CACHE", "~/somewhere")
    assert config.cache_dir() == Path.home() / "somewhere"


@pytest.mark.parametrize(
    ("name", "text"), [("NETLANG_THREADS", "0"), ("NETLANG_THREADS", "many"), ("NETLANG_VERIFY", "maybe")]
)
def test_nonsense_is_a_user_error(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(NetError, match=f"{name} is '{text}': expected"):
        config.get(name)


def test_no_variable_is_missing_from_the_table() -> None:
    used = {n for p in _ROOT.rglob("*.py") for n in re.findall(r"\bNETLANG_[A-Z]+\b", p.read_text(encoding="utf-8"))}
    assert used <= set(config.VARIABLES)
