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

STEP_BYTES = 24
"""A program is the number of steps, then for each the kernel's address, its arguments' address, and flags."""
PARALLEL, BARRIER = 1, 2
"""Flags: all threads run it, not only the first; all threads meet after it."""
