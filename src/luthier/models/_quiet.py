"""What libraries show while models are loaded and saved is hushed, as far as it is no error."""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any

_NEWS = {
    "bitsandbytes.backends.cpu.ops": "Failed to load",
    "torchao": "Failed to load",
    "torch.utils._pytree": "is an Enum subclass",
}
"""Loggers, and what they say of no interest to anybody here."""
_REPORT = "LOAD REPORT"
_REPORTING = ("transformers.modeling_utils", "transformers.modeling_layers")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def no_kernel_news() -> None:
    """Hush what bitsandbytes, torchao and PEFT say of optional kernels when they are imported."""
    for name in _NEWS:
        logging.getLogger(name).addFilter(_worth_saying)  # torch resets levels, but no filters
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
    # we fold adapters into whole weights only, see models/quantise.py
    warnings.filterwarnings("ignore", message="TorchaoLoraLinear was instantiated without")


def _worth_saying(record: logging.LogRecord) -> bool:
    return _NEWS.get(record.name, "\0") not in str(record.msg)


@contextlib.contextmanager
def quietly() -> Iterator[list[str]]:
    """Hush the bars of transformers, and its reports of weights it did not find, for a while.

    Whoever loads must look himself whether weights are lacking that should not be.

    Yields:
        The reports, so that an error can tell of them.
    """
    from transformers.utils import logging as transformers_logging

    no_kernel_news()
    bars: Any = transformers_logging
    reports: list[str] = []

    def worth_saying(record: logging.LogRecord) -> bool:
        told = record.getMessage()
        if _REPORT in told:
            reports.append(_COLOURS.sub("", told).strip())
        return _REPORT not in told

    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    loggers = [logging.getLogger(name) for name in _REPORTING]
    for logger in loggers:
        logger.addFilter(worth_saying)
    try:
        yield reports
    finally:
        for logger in loggers:
            logger.removeFilter(worth_saying)
        if shown:
            bars.enable_progress_bar()
