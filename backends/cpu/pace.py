"""How many threads the next call of a program gets: what its last calls took decides, never a guess about the machine.

Two threads are not always faster than one. A small net loses more to waking and meeting than it gains, and beside other
busy processes a thread that waits for its turn keeps all others waiting at the barrier. So a program's calls are timed,
alone and together, and the faster way is kept. Results are the same bits either way: only the time can tell.
"""

from __future__ import annotations

TRIALS = 3
"""Calls in a row that a way is tried for; the fastest of them counts, because the first may have to wake threads."""
SLOWER = 1.6
"""Calls that take so many times what they took at best are disturbed: time to try the other way."""
FIRST_PAUSE, LONGEST_PAUSE = 8, 1024
"""Calls until the way that lost is tried again; twice as many each time it loses again."""
WEIGHT, OUTLIER = 0.25, 2.0
"""Of the last call in the running mean of what a way takes, and how many times the mean a call counts at most."""


class Way:
    """What calls took that were carried out in one way, in nanoseconds."""

    def __init__(self) -> None:
        self.best, self.usual, self.calls = float("inf"), 0.0, 0

    def note(self, took: int) -> None:
        """One call more."""
        self.best = min(self.best, took)
        self.calls += 1
        if self.calls <= TRIALS:
            self.usual = self.best  # first calls meet cold caches and untouched memory
        else:
            self.usual += WEIGHT * (min(took, OUTLIER * self.usual) - self.usual)

    @property
    def disturbed(self) -> bool:
        return self.usual > SLOWER * self.best


class Pace:
    """One program's choice between one thread and several.

    Where the work is `large` it outweighs wake-ups and meetings: such a program is tried alone only when it is
    disturbed. Nobody wants some calls of a large net to take twice as long just to see.
    """

    def __init__(self, large: bool) -> None:
        self.large = large
        self.together = True
        """The way that has won."""
        self.trial = 0
        """Calls still to come in the other way."""
        self.pause = FIRST_PAUSE
        self.ways = {True: Way(), False: Way()}
        self.since = 0
        """Calls since the last decision."""

    def next_together(self) -> bool:
        """Whether the next call is for all threads."""
        return self.together != bool(self.trial)

    def note(self, together: bool, took: int) -> None:
        """A call was carried out in this way and took so many nanoseconds."""
        self.ways[together].note(took)
        self.since += 1
        if self.trial:
            self.trial -= together != self.together
            if not self.trial:
                self._decide()
        elif self._wants_trial():
            self.ways[not self.together] = Way()
            self.trial = TRIALS

    def _wants_trial(self) -> bool:
        if not self.large and not self.ways[not self.together].calls:
            return self.since >= TRIALS
        return self.since >= self.pause and (not self.together or self.ways[True].disturbed)

    def _decide(self) -> None:
        """Keep the faster way; one that loses again waits longer for its next trial."""
        self.since = 0
        if self.ways[not self.together].best < self.ways[self.together].usual:
            self.together = not self.together
            self.pause = FIRST_PAUSE
        else:
            self.pause = min(2 * self.pause, LONGEST_PAUSE)
