"""Kernels in C for training on processors with matrix tiles (AMX), compiled on this machine.

They are compiled at first use, in a few seconds, for the processor at hand, and kept in the user's
cache folder. Without a C compiler, or on another processor, everything works without them.
"""

from __future__ import annotations

import ctypes
import functools
import platform
import subprocess
from pathlib import Path
from typing import Any

from luthier.core.compiled import compiled, compiler, processor_flags

_FOLDER = Path(__file__).parent / "_fused_c"
_FLAGS = ("-O3", "-march=native", "-fopenmp", "-fPIC")
_NEEDED = {"amx_bf16", "amx_tile", "avx512_bf16", "avx512bw", "avx512dq", "avx512vl"}
_LONG, _FLOAT, _POINTER = ctypes.c_long, ctypes.c_float, ctypes.c_void_p


class Ending(ctypes.Structure):
    """What a product ends in; see ``matmul.c``."""

    _fields_ = (
        ("kind", _LONG),
        ("out", _POINTER),
        ("ld", _LONG),
        ("add", _POINTER),
        ("other", _POINTER),
        ("other_ld", _LONG),
        ("gates", _POINTER),
    )


class Attention(ctypes.Structure):
    """Rows and heads; see ``attention.c``."""

    _fields_ = (
        ("starts", _POINTER),
        ("rows", _LONG),
        ("tokens", _LONG),
        ("heads", _LONG),
        ("kv_heads", _LONG),
        ("size", _LONG),
        ("ld", _LONG),
        ("out_ld", _LONG),
        ("slope_ld", _LONG),
        ("grad_ld", _LONG),
        ("scale", _FLOAT),
    )


class Projection(ctypes.Structure):
    """Hidden states, the vocabulary projection, and targets; see ``head.c``."""

    _fields_ = (
        ("hidden", _POINTER),
        ("weight", _POINTER),
        ("targets", _POINTER),
        ("n", _LONG),
        ("width", _LONG),
        ("vocabulary", _LONG),
        ("smoothing", _FLOAT),
    )


STORE, ADD, SWIGLU, SWIGLU_BACKWARD = range(4)

_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "pack_transposed": (_POINTER, _LONG, _POINTER, _LONG, _LONG, _LONG),
    "pack_plain": (_POINTER, _LONG, _POINTER, _LONG, _LONG),
    "pack_left": (_POINTER, _LONG, _POINTER, _LONG, _LONG),
    "matmul": (_POINTER, _LONG, _POINTER, _LONG, _LONG, _LONG, _POINTER),
    "matmul_sum": (_POINTER, _POINTER, _POINTER, _LONG, _LONG, _LONG, _LONG),
    "attention": (_POINTER, _POINTER, _POINTER, _POINTER),
    "attention_backward": (_POINTER,) * 6,
    "rms_norm": (_POINTER, _POINTER, _POINTER, _LONG, _POINTER, _LONG, _LONG, _FLOAT),
    "rms_norm_backward": (_POINTER, _LONG, *(_POINTER,) * 4, _LONG, _POINTER, _LONG, _LONG),
    "rotate": (_POINTER, _LONG, _POINTER, _POINTER, _POINTER, _LONG, _LONG, _LONG, _FLOAT),
    "add_rows": (_POINTER, _POINTER, _POINTER, _LONG, _LONG),
    "head_forward": (_POINTER,) * 5,
    "head_backward": (_POINTER,) * 6,
}


@functools.cache
def library() -> tuple[Any, str]:
    """The compiled kernels, or None and the reason why there are none."""
    flags = processor_flags()
    if platform.system() != "Linux" or not flags >= _NEEDED:
        return None, "this processor has no matrix tiles (AMX)"
    by = compiler()
    if by is None:
        return None, "there is no C compiler (gcc)"
    try:
        loaded = ctypes.CDLL(str(_compiled(by)))
    except (OSError, subprocess.SubprocessError) as error:
        return None, f"the kernels could not be compiled: {error}"
    for name, types in _SIGNATURES.items():
        getattr(loaded, name).argtypes = types
        getattr(loaded, name).restype = None
    loaded.permit_tiles.restype = ctypes.c_long
    if loaded.permit_tiles() != 0:
        return None, "the system does not permit the use of matrix tiles (AMX)"
    return loaded, ""


def _compiled(by: str) -> Path:
    return compiled(_FOLDER, by, _FLAGS)
