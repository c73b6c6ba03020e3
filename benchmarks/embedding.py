"""Eight threads call one model of a shared library 10,000 times each, under every sanitizer that there is.

python -m benchmarks.embedding [calls]

The library (LeNet-5, for the best level of this machine) and the C program are both compiled with the sanitizer; the
kernels are machine code as it is. Prints what the program says; ends with 1 where an answer was wrong or a sanitizer
has found something.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from netlang.backends.base import Request
from netlang.backends.cpu.library.compiler import compiler
from netlang.driver import assemble, backend_for, write_library
from netlang.frontend import load

HERE = Path(__file__).parent
NET = HERE.parent / "examples" / "lenet5.net"
SANITIZERS = ("", "address,undefined", "thread")
THREADS = 8


def main() -> int:
    calls = sys.argv[1] if len(sys.argv) > 1 else "10000"
    with TemporaryDirectory() as folder:
        found = [stressed(Path(folder), sanitizer, calls) for sanitizer in SANITIZERS]
    return int(not all(found))


def stressed(folder: Path, sanitizer: str, calls: str) -> bool:
    """Whether all went well, on models of one thread and of two."""
    flags = ["-g", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"] if sanitizer else []
    model = assemble(load(NET), backend_for("cpu"), None, 2).init(1)
    os.environ["CFLAGS"] = " ".join(flags)
    library = folder / "stressed.so"
    write_library(library, [model], backend_for("cpu"), Request(), header=folder / "stressed.h")
    program = folder / "stress"
    source = str(HERE / "embedding.c")
    link = [str(library), "-lpthread", "-o", str(program), f"-Wl,-rpath,{folder}"]
    subprocess.run([*compiler(), "-O2", *flags, f"-I{folder}", source, *link], check=True)
    well = True
    for threads in ("1", "2"):
        start = time.perf_counter()
        done = subprocess.run([program, str(THREADS), calls, threads], capture_output=True, text=True, check=False)
        took = time.perf_counter() - start
        print(f"{sanitizer or 'no sanitizer'}, {threads} of the model's threads, {took:.1f} s: {done.stdout.strip()}")
        print(done.stderr, end="", flush=True)
        well = well and done.returncode == 0
    return well


if __name__ == "__main__":
    sys.exit(main())
