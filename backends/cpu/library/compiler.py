"""Linking a library: a C compiler does it, which must be there. `CC` names it, and `CFLAGS` are flags for it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from netlang.diagnostics import NetError

COMPILERS = ("cc", "gcc", "clang")
_FLAGS = (
    "-std=gnu11",
    "-O2",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-math-errno",
    "-ffp-contract=off",
    "-Wall",
    "-Wextra",
)
_LINKER = (
    "--as-needed", "--build-id=none", "--no-undefined", "--version-script=exports", "-z,noexecstack", "-z,now",
    "-z,relro", "-z,defs",
)  # fmt: skip
_LIBRARIES = ("-lm", "-lpthread", "-ldl")
_LINES = 12
"""Of what a compiler says that are told."""


def compiler() -> list[str]:
    """The command. Raises NetError where there is none."""
    named = shlex.split(os.environ.get("CC", ""))
    for command in [named] if named else [[name] for name in COMPILERS]:
        found = shutil.which(command[0])
        if found:
            return [os.path.abspath(found), *command[1:]]
    what = f"the C compiler {named[0]}, which CC names," if named else "a C compiler"
    raise NetError(
        f"{what} is needed to make a shared library, and was not found",
        hint="install one (Debian: apt install gcc), or write a .netc file, which needs none",
    )


def linked(name: str, files: Mapping[str, bytes], exports: Sequence[str]) -> bytes:
    """The library of this name that C sources (`*.c`) and objects (`*.o`) make; other files are what they include.

    Raises NetError with what the compiler says where it fails.
    """
    command = compiler()
    script = "{ global: " + " ".join(f"{symbol};" for symbol in exports) + " local: *; };\n"
    with TemporaryDirectory(prefix="netlang-") as folder:
        for file, body in {**files, "exports": script.encode()}.items():
            (Path(folder) / file).write_bytes(body)
        inputs = sorted(file for file in files if file.endswith((".c", ".o")))
        options = [f"-Wl,{option}" for option in _LINKER] + ["-Xlinker", f"-soname={name}"]
        flags = [*_FLAGS, *shlex.split(os.environ.get("CFLAGS", ""))]
        # Paths are relative, so that none is left in the library.
        parts = [*command, "-shared", "-s", *flags, *inputs, "-o", "library", *options, *_LIBRARIES]
        try:
            done = subprocess.run(parts, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
        except OSError as fault:
            raise NetError(f"cannot run {command[0]}: {fault.strerror or fault}") from fault
        if done.returncode:
            told = "\n".join((done.stderr or done.stdout).splitlines()[:_LINES])
            raise NetError(f"{' '.join(command)} could not make the library:\n{told}")
        return (Path(folder) / "library").read_bytes()
