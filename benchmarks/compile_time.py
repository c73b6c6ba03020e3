"""Seconds that compiling a net takes: with an empty cache, and in a second process that finds the code there.

    python -m benchmarks.compile_time lenet5

Prints one line of JSON, [cold, warm]. Imports count, of the compiler (Numba, LLVM) and of netlang: `import netlang`
itself imports next to nothing. Python's bytecode is there, as it is where netlang was installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.networks import NETS, ROOT

_CODE = """
import sys, time
import netlang
start = time.perf_counter()
netlang.compile(sys.argv[1])
print(time.perf_counter() - start)
"""

_SMALL = str(ROOT / "examples" / "nielsen" / "oneconv.net")


def compile_times(name: str, limit: float = 300.0) -> tuple[float, float]:
    """(cold, warm) in seconds. Raises subprocess.TimeoutExpired after `limit` seconds."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NETLANG_CACHE": str(Path(folder, "cache"))}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        _once(_SMALL, {**environment, "NETLANG_CACHE": str(Path(folder, "unused"))}, limit)  # leaves bytecode behind
        cold, warm = (_once(str(NETS[name]), environment, limit) for _ in range(2))
    return cold, warm


def _once(net: str, environment: dict[str, str], limit: float) -> float:
    command = [sys.executable, "-c", _CODE, net]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True, timeout=limit)
    return float(done.stdout)


if __name__ == "__main__":
    print(json.dumps(compile_times(sys.argv[1])))
