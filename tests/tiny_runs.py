"""Rows for tiny models, and runs that end as if their process had been killed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from tiny_models import examples

from luthier.core.ledger import Ledger
from luthier.models.load import Model
from luthier.tune import _loop
from luthier.tune._lm import NextToken
from luthier.tune._rows import from_examples


def rows(model: Model, count: int, begin: int = 0, **more: Any) -> NextToken:
    """Examples of ``tiny_models`` as rows of at most 64 tokens; ``more`` is ``NextToken``'s."""
    found = from_examples(
        examples(count, begin=begin),
        model.renderer,
        max_length=64,
        learn_all=False,
        ledger=Ledger(),
    )
    return NextToken(found, 64, int(model.tokenizer.pad_token_id), **more)


@contextlib.contextmanager
def steps_begun(most: int | None = None) -> Iterator[list[int]]:
    """The numbers of the steps that begin inside, from 0; what begins after ``most`` is killed."""
    real, begun = _loop._one_step, list[int]()

    def counted(*given: Any) -> str:
        if len(begun) == most:
            raise KilledError
        begun.append(given[1])
        return real(*given)

    _loop._one_step = counted
    try:
        yield begun
    finally:
        _loop._one_step = real


@contextlib.contextmanager
def killed_after(steps: int) -> Iterator[None]:
    """The run inside must be killed after so many steps."""
    with steps_begun(steps), pytest.raises(KilledError):
        yield


class KilledError(Exception):
    """Stands for the end of the process."""
