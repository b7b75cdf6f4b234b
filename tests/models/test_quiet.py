"""The bars of transformers are off inside, and as they were outside."""

from __future__ import annotations

from transformers.utils import logging

from luthier.models._quiet import no_bars


def test_bars_are_off_inside_and_as_they_were_outside() -> None:
    was = logging.is_progress_bar_enabled()
    with no_bars():
        assert not logging.is_progress_bar_enabled()
    assert logging.is_progress_bar_enabled() is was
