"""A router that learns from feedback which branch is best, and sends most requests there: an epsilon-greedy bandit."""

import fcntl
import json
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from seldon_core.flask_utils import SeldonMicroserviceException
from seldon_core.metrics import create_counter, create_gauge
from seldon_core.user_model import SeldonResponse


class EpsilonGreedy:
    """Takes the best branch so far, except for a share of requests that try one of the others.

    Args:
        n_branches: how many children the node has.
        epsilon: the share of requests that try another branch, from 0 to 1.
        best_branch: the branch to begin with; -1 picks one at random.
        branch_names: names for the metrics, as "one:two"; the numbers by default.
        seed: of the random numbers; -1 for other ones at each start.
        state_file: where the counts are kept, so that they survive a restart and all workers share them; "" keeps
            them in the memory of each worker.
    """

    def __init__(
        self,
        n_branches: int,
        epsilon: float = 0.1,
        best_branch: int = -1,
        branch_names: str = "",
        seed: int = -1,
        state_file: str = "",
    ) -> None:
        self.names = branch_names.split(":") if branch_names else [str(branch) for branch in range(n_branches)]
        self.epsilon = epsilon
        problems = {
            f"n_branches: {n_branches}: must be 1 or more": n_branches < 1,
            f"epsilon: {epsilon}: must lie between 0 and 1": not 0 <= epsilon <= 1,
            f"best_branch: {best_branch}: must be a branch, 0 to {n_branches - 1}, or -1": (
                not -1 <= best_branch < n_branches
            ),
            f"branch_names: {branch_names!r}: must be {n_branches} names joined by colons": (
                len(self.names) != n_branches
            ),
        }
        if any(problems.values()):
            raise ValueError("; ".join(problem for problem, found in problems.items() if found))
        self.best = best_branch
        self.seed = seed
        self.counts = Counts(n_branches, Path(state_file) if state_file else None)

    def load(self) -> None:
        """Read the counts of earlier runs; each worker draws its own random numbers."""
        self.random = random.Random(self.seed if self.seed >= 0 else None)  # noqa: S311 - no secret
        if self.best == -1:
            self.best = self.random.randrange(len(self.names))
        if self.counts.refresh():
            self._choose_best()

    def route(self, X: ArrayLike, names: list[str]) -> SeldonResponse:  # noqa: N803
        """Return the number of the branch that this request takes."""
        if self.counts.refresh():
            self._choose_best()
        branch = self.best
        if len(self.names) > 1 and self.random.random() < self.epsilon:
            branch = self.random.choice([other for other in range(len(self.names)) if other != branch])
        return SeldonResponse(branch, metrics=[self._tagged(create_counter("branch_requests", 1), branch)])

    def send_feedback(
        self, features: ArrayLike, names: list[str], reward: float, truth: ArrayLike, routing: int | None = None
    ) -> None:
        """Count a reward for the branch that answered.

        Args:
            features: what was predicted for; every row counts as a try, anything without rows as one.
            names: of the columns, not used.
            reward: the mean reward of the rows, from 0 to 1.
            truth: not used.
            routing: the branch that answered, from the `meta.routing` of the answer.
        """
        if routing is None:
            raise SeldonMicroserviceException(
                "response.meta.routing names no branch of this router; send the answer back with its meta"
            )
        if not 0 <= routing < len(self.names):
            raise SeldonMicroserviceException(f"branch {routing} is none of the {len(self.names)} branches")
        if not 0 <= reward <= 1:
            raise SeldonMicroserviceException(f"reward: {reward}: must lie between 0 and 1")
        shape = np.shape(features)
        tries = max(shape[0], 1) if len(shape) > 1 else 1
        self.counts.add(routing, tries, reward * tries)
        self._choose_best()

    def metrics(self) -> list[dict[str, Any]]:
        """What is known about each branch."""
        means, tries = self.counts.means(), self.counts.tries
        return [
            self._tagged(metric, branch)
            for branch in range(len(self.names))
            for metric in (create_gauge("branch_reward", means[branch]), create_gauge("branch_tries", tries[branch]))
        ]

    def _choose_best(self) -> None:
        means = self.counts.means()
        self.best = self.random.choice([branch for branch, mean in enumerate(means) if mean == max(means)])

    def _tagged(self, metric: dict[str, Any], branch: int) -> dict[str, Any]:
        return {**metric, "tags": {"branch": self.names[branch]}}


class Counts:
    """Tries and summed rewards of each branch, in memory and, where there is a path, in a file for all workers.

    Args:
        branches: how many there are.
        path: a JSON file, or None. It is replaced as a whole, so that no reader ever sees half of it.
    """

    def __init__(self, branches: int, path: Path | None) -> None:
        self.tries = [0] * branches
        self.rewards = [0.0] * branches
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._lock = threading.Lock()

    def means(self) -> list[float]:
        """The mean reward of each branch, 0 for those never tried."""
        return [reward / tries if tries else 0.0 for reward, tries in zip(self.rewards, self.tries, strict=True)]

    def refresh(self) -> bool:
        """Read the file if another process, or an earlier run, has written it; return whether it has.

        Raises:
            ValueError: the file holds something else.
        """
        if self._path is None or not self._path.exists():
            return False
        found = self._path.stat()
        if self._seen == (found.st_ino, found.st_mtime_ns):
            return False
        self._seen = (found.st_ino, found.st_mtime_ns)
        try:
            state = json.loads(self._path.read_text())
            tries, rewards = [int(each) for each in state["tries"]], [float(each) for each in state["rewards"]]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self._path}: holds no counts ({error}); remove it to begin anew") from None
        if not len(tries) == len(rewards) == len(self.tries):
            raise ValueError(
                f"{self._path}: has {len(tries)} branches, the node has {len(self.tries)}; remove it to begin anew"
            )
        self.tries, self.rewards = tries, rewards
        return True

    def add(self, branch: int, tries: int, reward: float) -> None:
        """Add to the counts of a branch, and have them on the disk before this returns."""
        with self._exclusive():
            self.refresh()
            all_tries, all_rewards = self.tries.copy(), self.rewards.copy()
            all_tries[branch] += tries
            all_rewards[branch] += reward
            if self._path is not None:
                self._write(self._path, {"tries": all_tries, "rewards": all_rewards})
            self.tries, self.rewards = all_tries, all_rewards

    def _write(self, path: Path, state: dict[str, Any]) -> None:
        partial = path.with_name(f"{path.name}.partial")
        with partial.open("w") as file:
            json.dump(state, file)
            file.flush()
            os.fsync(file.fileno())
        written = partial.stat()
        partial.replace(path)
        self._seen = (written.st_ino, written.st_mtime_ns)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One at a time, among the threads of this process and among the processes that share the file."""
        with self._lock:
            if self._path is None:
                yield
                return
            with self._path.with_name(f"{self._path.name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
