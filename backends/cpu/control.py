"""The memory that threads meet in: offsets, in bytes, of the control block and of programs."""

LINE = 64
"""A cache line: every counter has its own."""

ARRIVALS = 0
"""How many threads have come to a barrier, ever; each barrier's target is `threads` above the one before."""
SLEEPERS = LINE
"""How many of them sleep there."""
TARGET = 2 * LINE
"""The target of the last barrier of the last run."""
WORKERS = 3 * LINE
"""Here the workers' own blocks begin, WORKER_BYTES each."""

WORKER_BYTES = 3 * LINE
EPOCH = 0
"""In a worker's block: the wake-up call, one more for every job."""
SLEEPING = LINE
"""Whether the worker sleeps."""
JOB = 2 * LINE
"""Its job, int64 each: the control block's address, program (0: end), its number, threads, barrier target before."""

STEP_BYTES = 32
"""A program is the number of entries, then for each of them the kernel's address, its table's address, flags, and how
many bytes further the next thread's table is: tables outside of loops are one for all threads."""
PARALLEL, BARRIER = 1, 2
"""Flags: all threads run it, not only the first; all threads meet after it."""
BEGIN, END = 4, 8
"""Flags of the entries around the steps of a loop, whose table they have. In the place of a kernel there is how far to
jump: forward to its end where it has no rounds, back to its begin where it has another one."""

ROUNDS, WORDS, SOURCE, OWN, SPREAD, MOVES, MOVED = range(7)
"""A loop's table, in words: how many rounds; how many words the tables of its steps have, and how many bytes from here
they are; where the first thread's copy of them begins, and how many bytes further the next thread's; how many words
change from round to round, and from entry MOVED on what becomes of each of them."""
PLACE, ODD, EVEN, STRIDE = range(4)
MOVE_WORDS = 4
"""One that changes: bytes from the start of a copy to its place, addresses for rounds 1 and 2 (in round 0 it is as it
was copied), and what is added every second round from then on."""
COPY = LINE
"""Bytes before the words of a copy: the number of the round that its thread is in."""

FUTEX_NUMBER = {"x86_64": 202, "amd64": 202, "aarch64": 98, "arm64": 98}
"""Linux's number of the system call `futex` by machine."""
