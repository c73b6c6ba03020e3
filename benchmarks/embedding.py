"""LeNet-5 as a shared library: how large it is, how long a C program takes with it, and how it bears many threads.

python -m benchmarks.embedding [calls]

Sizes are those of libraries for all levels of this architecture and for the best of this machine. The program is
`examples/embed/classify.c` with one image: from its start to its end, the fastest and the median of 200 times, beside
a program that does nothing.

Then eight threads call one model 10,000 times each, under every sanitizer that there is: library and program are
compiled with it, the kernels are machine code as it is. Prints what the program says; ends with 1 where an answer was
wrong or a sanitizer has found something.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from netlang.backends.base import Request
from netlang.backends.cpu.library.compiler import compiler
from netlang.backends.cpu.target import ARM, LEVELS, X86
from netlang.driver import assemble, backend_for
from netlang.frontend import load
from netlang.shipping import write_library

HERE = Path(__file__).parent
NET = HERE.parent / "examples" / "lenet5.net"
WEIGHTS = 246_824
SANITIZERS = ("", "address,undefined", "thread")
THREADS = 8


def main() -> int:
    calls = sys.argv[1] if len(sys.argv) > 1 else "10000"
    with TemporaryDirectory() as folder:
        figures(Path(folder))
        found = [stressed(Path(folder), sanitizer, calls) for sanitizer in SANITIZERS]
    return int(not all(found))


def figures(folder: Path) -> None:
    """Print sizes and times."""
    best = next(level for level in reversed(LEVELS) if LEVELS[level].arch in X86 | ARM and LEVELS[level].runs_here())
    for levels in ((best,), ()):
        library = make(folder, "lenet5", levels)
        name = best if levels else "all levels"
        print(f"{name}: {library.stat().st_size} bytes, of which weights {WEIGHTS}")
    program, idle = folder / "classify", folder / "idle"
    source = HERE.parent / "examples" / "embed" / "classify.c"
    build(["-O2", f"-I{folder}", str(source), str(library), f"-Wl,-rpath,{folder}"], program)
    (folder / "idle.c").write_text("int main(void) { return 0; }")
    build(["-O2", str(folder / "idle.c")], idle)
    for path in (program, idle):
        fastest, median = process_times(path, bytes(28 * 28))
        print(f"{path.name}: {fastest * 1e3:.2f} ms at best, median {median * 1e3:.2f} ms")


def process_times(program: Path, given: bytes) -> tuple[float, float]:
    """(fastest, median) time of a process that reads this, in seconds."""
    times = []
    with (program.parent / "given").open("w+b") as source, open(os.devnull, "wb") as nowhere:
        source.write(given)
        source.flush()
        for _ in range(200):
            os.lseek(source.fileno(), 0, os.SEEK_SET)
            actions = [(os.POSIX_SPAWN_DUP2, source.fileno(), 0), (os.POSIX_SPAWN_DUP2, nowhere.fileno(), 1)]
            start = time.perf_counter()
            process = os.posix_spawn(program, [str(program)], os.environ, file_actions=actions)
            os.waitpid(process, 0)
            times.append(time.perf_counter() - start)
    return min(times), median(times)


def make(folder: Path, name: str, levels: tuple[str, ...]) -> Path:
    """The library and its header, with first weights."""
    model = assemble(load(NET), backend_for("cpu"), None, 2).init(1)
    library = folder / f"{name}.so"
    write_library(library, [model], backend_for("cpu"), Request(levels), header=folder / f"{name}.h")
    return library


def build(arguments: list[str], program: Path) -> None:
    subprocess.run([*compiler(), *arguments, "-o", str(program)], check=True)


def stressed(folder: Path, sanitizer: str, calls: str) -> bool:
    """Whether all went well, on models of one thread and of two."""
    flags = ["-g", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"] if sanitizer else []
    os.environ["CFLAGS"] = " ".join(flags)
    library, program = make(folder, "stressed", ()), folder / "stress"
    source = str(HERE / "embedding.c")
    build(["-O2", *flags, f"-I{folder}", source, str(library), "-lpthread", f"-Wl,-rpath,{folder}"], program)
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
