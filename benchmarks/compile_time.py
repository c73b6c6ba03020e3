"""Seconds that compiling a net takes: with an empty cache, and in a second process that finds the code there.

    python -m benchmarks.compile_time lenet5

Prints one line of JSON, [cold, warm]. Imports of netlang are not counted, those of the compiler (Numba, LLVM) are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

from benchmarks.networks import NETS, ROOT

_CODE = """
import sys, time
import netlang
start = time.perf_counter()
netlang.compile(sys.argv[1])
print(time.perf_counter() - start)
"""


def compile_times(name: str, limit: float = 300.0) -> tuple[float, float]:
    """(cold, warm) in seconds. Raises subprocess.TimeoutExpired after `limit` seconds."""
    with tempfile.TemporaryDirectory() as cache:
        cold, warm = (_once(name, cache, limit) for _ in range(2))
    return cold, warm


def _once(name: str, cache: str, limit: float) -> float:
    command = [sys.executable, "-c", _CODE, str(NETS[name])]
    environment = {**os.environ, "NETLANG_CACHE": cache}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True, timeout=limit)
    return float(done.stdout)


if __name__ == "__main__":
    print(json.dumps(compile_times(sys.argv[1])))
