"""The last so many moves that were seen, to learn from in any order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Replay:
    """A ring of moves: what was on the screen, the action, the reward, what was on the screen then, was it over."""

    def __init__(self, capacity: int, screen: tuple[int, ...]) -> None:
        self.screen, self.after = (np.zeros((capacity, *screen), np.uint8) for _ in range(2))
        self.action = np.zeros(capacity, np.int64)
        self.reward, self.over = (np.zeros(capacity, np.float32) for _ in range(2))
        self.seen = 0

    def add(self, screen: Array, action: Array, reward: Array, after: Array, over: Array) -> None:
        """One move of every board."""
        places = np.arange(self.seen, self.seen + len(action)) % len(self.action)
        self.screen[places], self.after[places] = screen, after
        self.action[places], self.reward[places], self.over[places] = action, reward, over
        self.seen += len(action)

    def drawn(self, rng: np.random.Generator, count: int) -> dict[str, Array]:
        """So many moves at random, by the names that the net's loss takes."""
        rows = rng.integers(0, min(self.seen, len(self.action)), count)
        return {
            "screen": self.screen[rows].astype(np.float32),
            "after": self.after[rows].astype(np.float32),
            "action": self.action[rows],
            "reward": self.reward[rows],
            "over": self.over[rows],
        }
