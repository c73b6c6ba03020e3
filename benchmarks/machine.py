"""What was measured with: processor, versions, revision."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import netlang

PACKAGES = ("numpy", "numba", "llvmlite", "torch", "onnxruntime", "openvino", "ncnn")

SOURCES = ("backends", "netlang/passes", "netlang/ops")
"""Figures measured before a change of these are out of date."""


def processor() -> str:
    """The processor's name as the system tells it, with its widest vectors."""
    facts: dict[str, str] = {}
    path = Path("/proc/cpuinfo")
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    flags = facts.get("flags", "").split()
    vectors = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "")
    model = facts.get("model name") or platform.processor() or platform.machine()
    family = f"family {facts['cpu family']}, model {facts['model']}" if "cpu family" in facts else ""
    return ", ".join(part for part in (model, family, vectors) if part)


def cores() -> int:
    return len(os.sched_getaffinity(0))


def versions() -> dict[str, str]:
    """Of netlang and whatever is installed of the packages that matter."""
    found = {"netlang": netlang.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def revision() -> str:
    """The commit of the working tree, or nothing outside of a repository."""
    return _git("rev-parse", "--short", "HEAD").stdout.strip()


@cache
def is_current(commit: str) -> bool:
    """Whether the sources that make code are those of a commit. What is unknown is not."""
    places = [f":/{folder}" for folder in SOURCES]
    return bool(commit) and _git("diff", "--quiet", commit, "--", *places).returncode == 0


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
