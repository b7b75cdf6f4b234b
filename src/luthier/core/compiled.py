"""Kernels in C: compiled at first use for the processor at hand, kept in the user's cache folder.

What uses them works without them, too: a machine without a C compiler is slower and nothing else.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path


def compiler() -> str | None:
    """The C compiler (``$CC``, else gcc), or None if there is none."""
    return shutil.which(os.environ.get("CC", "gcc"))


def compiled(folder: Path, by: str, flags: Sequence[str], name: str = "kernels") -> Path:
    """The library made of all ``*.c`` of a folder; made in some seconds if it is not there yet.

    Its file is named by a digest of sources, compiler, flags and processor, so a cache folder can
    be shared by several machines.

    Args:
        folder: With the ``*.c`` and ``*.h`` files.
        by: The compiler's path; see `compiler`.
        flags: For the compiling, not the linking.
        name: What the file's name begins with.

    Raises:
        OSError: The cache folder cannot be written.
        SubprocessError: The compiler fails or takes more than two minutes for a file.
    """
    sources = sorted(folder.glob("*.c"))
    parts = [path.read_bytes() for path in (*sources, *sorted(folder.glob("*.h")))]
    version = subprocess.run([by, "--version"], capture_output=True, check=True).stdout
    told = [*parts, version, " ".join(sorted(processor_flags())).encode(), repr(flags).encode()]
    digest = hashlib.sha256(b"\0".join(told)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "luthier"
    made = cache / f"{name}-{digest}.so"
    if made.is_file():
        return made
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as draft:
        objects = []
        for source in sources:
            objects.append(f"{draft}/{source.stem}.o")
            command = [by, *flags, "-c", str(source), "-o", objects[-1]]
            subprocess.run(command, capture_output=True, check=True, timeout=120)
        # not linked with OpenMP: its threads are to be those PyTorch has loaded
        command = [by, "-shared", *objects, "-lm", "-o", f"{draft}/kernels.so"]
        subprocess.run(command, capture_output=True, check=True, timeout=120)
        os.replace(f"{draft}/kernels.so", made)
    return made


def processor_flags() -> set[str]:
    """What the processor can do, as Linux names it; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    found = next((line for line in lines if line.startswith("flags")), "")
    return set(found.partition(":")[2].split())
