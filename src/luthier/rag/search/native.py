"""Kernels in C for searching, compiled on this machine at first use.

Without a C compiler the same is computed by numpy, slower; ``LUTHIER_KERNELS=off`` asks for that.
"""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luthier.core.compiled import compiled, compiler

_FOLDER = Path(__file__).parent / "_native_c"
# Products and sums are rounded one by one: numpy gets the same numbers.
_FLAGS = (
    "-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fPIC",
)  # fmt: skip
_LONG, _FLOAT, _POINTER = ctypes.c_long, ctypes.c_float, ctypes.c_void_p

_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "words_new": (_POINTER, ()),
    "words_free": (None, (_POINTER,)),
    "words_read": (_LONG, (*(_POINTER,) * 5, _LONG, _POINTER, _LONG, _POINTER)),
    "words_count": (_LONG, (_POINTER,)),
    "words_bytes": (_POINTER, (_POINTER,)),
    "words_starts": (_POINTER, (_POINTER,)),
    "words_tokens": (_POINTER, (_POINTER,)),
    "count_terms": (_LONG, (_POINTER, _POINTER, _LONG, _POINTER, _LONG, *(_POINTER,) * 4)),
    "fill_postings": (None, (_POINTER, _POINTER, _POINTER, _LONG, *(_POINTER,) * 4)),
    "count_alive": (None, (_POINTER, _POINTER, _POINTER)),
    "row_norms": (None, (_POINTER, _POINTER, _POINTER, _POINTER)),
    "best_rows": (
        _LONG,
        (*(_POINTER,) * 3, _LONG, _FLOAT, _FLOAT, *(_POINTER,) * 3, _LONG, _POINTER, _POINTER),
    ),
    "find_names": (None, (_POINTER, _POINTER, _LONG, _POINTER, _POINTER, _LONG, _POINTER)),
    "find_terms": (None, (*(_POINTER,) * 4, _LONG, _POINTER, _POINTER)),
    "group": (None, (_POINTER, _LONG, _POINTER, _POINTER, _POINTER)),
    "dots": (None, (_POINTER, _LONG, _POINTER, _LONG, _POINTER, _POINTER)),
    "nearest": (
        _LONG,
        (_POINTER, _LONG, _POINTER, _LONG, _POINTER, _POINTER, _LONG, _POINTER, _POINTER),
    ),
    "encode_rows": (None, (_POINTER, _LONG, _LONG, _POINTER, _POINTER, _POINTER)),
    "nearest_codes": (
        _LONG,
        (*(_POINTER,) * 3, _LONG, _POINTER, _LONG, *(_POINTER,) * 2, _LONG, *(_POINTER,) * 2),
    ),
}


@functools.cache
def library() -> tuple[Any, str]:
    """The compiled kernels, or None and the reason why there are none."""
    if os.environ.get("LUTHIER_KERNELS") == "off":
        return None, "LUTHIER_KERNELS is off"
    by = compiler()
    if by is None:
        return None, "there is no C compiler (gcc)"
    try:
        loaded = ctypes.CDLL(str(compiled(_FOLDER, by, _FLAGS, "search")))
    except (OSError, subprocess.SubprocessError) as error:
        return None, f"the kernels could not be compiled: {error}"
    for name, (result, types) in _SIGNATURES.items():
        getattr(loaded, name).restype = result
        getattr(loaded, name).argtypes = types
    return loaded, ""


def pointer(values: npt.NDArray[Any] | None) -> int | None:
    """Where an array's numbers are, as the kernels take it.

    Raises:
        ValueError: The array is not one block of memory: a kernel would read something else.
    """
    if values is None:
        return None
    if not values.flags.c_contiguous:
        raise ValueError("this array is not contiguous")
    return int(values.__array_interface__["data"][0])


def top(
    scores: npt.NDArray[np.float32], rows: npt.NDArray[np.int32], most: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """The best of some rows, best first, those of equal scores in growing order.

    Args:
        scores: Of the rows; those that are not a number are left out.
        rows: Their numbers, growing.
        most: How many at most.
    """
    kept = ~np.isnan(scores)
    scores, rows = scores[kept], rows[kept]
    order = np.lexsort((rows, -scores))[: max(0, most)]
    return rows[order], scores[order]
