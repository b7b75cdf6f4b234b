"""Checkpoints: everything a run needs to go on, bit for bit, after the process was killed.

Two lie in the draft folder of a run: the latest, written every so many seconds, and the last good
one, written at each measurement, to which a run that diverges returns.
"""

from __future__ import annotations

import dataclasses
import os
import time
import zipfile
from pathlib import Path
from typing import Any

import torch

from luthier.core.errors import ResourceError, TuneError
from luthier.setup.optimizers import Optimizers
from luthier.tune._history import History
from luthier.tune._sharded import cut_state, whole_tree
from luthier.tune._weights import Weights
from luthier.tune._world import World

LATEST = "checkpoint.pt"
GOOD = "good.pt"


class Checkpoints:
    """The state of a run and where it is kept.

    Args:
        weights: The trainable weights.
        optimizer: Their optimizer.
        folder: Where the files lie.
        world: The leading process writes; the state is whole, so that any number of processes can
            go on from it.
    """

    def __init__(
        self, weights: Weights, optimizer: Optimizers, folder: Path, world: World | None = None
    ) -> None:
        self.weights, self.optimizer, self.folder = weights, optimizer, folder
        self.world = world or World()
        self.best: list[torch.Tensor] = []
        self._saved_at = time.monotonic()

    def due(self, every_s: float) -> bool:
        """Whether so many seconds have passed since the last one was written."""
        due = time.monotonic() - self._saved_at >= every_s
        # the leading process's clock decides for all
        return self.world.total(float(due and self.world.leads)) > 0

    def keep_best(self) -> None:
        """Remember the present weights as the best."""
        self.best = self.weights.snapshot()

    def save(self, history: History, name: str = LATEST) -> None:
        """Write a checkpoint; the one before is replaced only when it is whole.

        Raises:
            ResourceError: It cannot be written.
        """
        self._saved_at = time.monotonic()
        if not self.world.leads and not self.world.sharded:
            return
        path = self.folder / name
        beside = path.with_suffix(".partial")
        state = {
            "weights": self.weights.snapshot(),
            "optimizer": whole_tree(self.optimizer.state_dict()),
            "best": self.best,
            "history": dataclasses.asdict(history),
        }
        if not self.world.leads:
            return
        try:
            torch.save(state, beside)
        except RuntimeError as error:  # torch does not say what the system said
            beside.unlink(missing_ok=True)
            raise ResourceError(
                f"the checkpoint cannot be written: {error}",
                where=str(self.folder),
                mend="Is the disk full? `luthier gc` deletes what no kept bundle needs.",
            ) from error
        os.replace(beside, path)

    def resume(self) -> History:
        """Put the furthest checkpoint's state back; an empty history if there is none.

        Raises:
            TuneError: A checkpoint is damaged, or belongs to another model.
        """
        found = [self._read(n) for n in (LATEST, GOOD) if (self.folder / n).is_file()]
        if not found:
            return History()
        # the latest first: after a rollback the good one may be a step further, of the same run
        return self._restore(max(found, key=lambda state: int(state["history"]["step"])))

    def roll_back(self) -> History | None:
        """Put the last good checkpoint's state back; None if there is none."""
        if not (self.folder / GOOD).is_file():
            return None
        return self._restore(self._read(GOOD))

    def _read(self, name: str) -> dict[str, Any]:
        """A checkpoint whose tensors stay in the file until they are copied out of it."""
        path = self.folder / name
        try:
            with zipfile.ZipFile(path) as parts:  # mapped files are read without their checksums
                if damaged := parts.testzip():
                    raise ValueError(f"{damaged} is damaged")
            state: dict[str, Any] = torch.load(
                path, map_location="cpu", weights_only=True, mmap=True
            )
            int(state["history"]["step"])
        except Exception as error:  # pickle, zip and torch each raise their own
            raise _unreadable(path, error) from error
        return state

    def _restore(self, state: dict[str, Any]) -> History:
        try:
            self.optimizer.load_state_dict(_copied(state["optimizer"]))
            cut_state(self.optimizer)
            self.weights.restore(state["weights"])
            self.best = _copied(state["best"])
            return History(**state["history"])
        except Exception as error:
            raise _unreadable(self.folder, error) from error


def _copied(state: Any) -> Any:
    """Nested lists and dictionaries with tensors of their own, so that no file stays mapped."""
    if isinstance(state, torch.Tensor):
        return state.clone()
    if isinstance(state, dict):
        return {key: _copied(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(_copied(value) for value in state)
    return state


def remove(folder: Path) -> None:
    """Delete the checkpoints of a run that is over."""
    for name in (LATEST, GOOD):
        (folder / name).unlink(missing_ok=True)


def _unreadable(path: Path, error: Exception) -> TuneError:
    return TuneError(
        f"the checkpoint cannot be read: {error}",
        where=str(path),
        mend="Delete this folder to start the tuning afresh.",
    )
