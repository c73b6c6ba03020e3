"""Runs kernels on the CPU, thread by thread in plain Python, and checks what they do.

    memory = Memory()
    x = memory.allocate(4 * 64)
    memory.view(x, np.float32, (64,))[:] = ...
    run(source, (x, 64), grid=(2, 1, 1), threads=32, memory=memory)

Every access must lie inside one live allocation and be aligned, and may not be in a race with another; fresh memory
holds 0xFF, which is NaN; copies are done when a wait says so and no earlier; a barrier that some threads never reach
ends the launch. `device` makes a device of it on which compiled graphs run.
"""

from netlang.backends.cuda.simulator.faults import SimulationError as SimulationError
from netlang.backends.cuda.simulator.launch import run as run
from netlang.backends.cuda.simulator.memory import Memory as Memory
