"""Stage 3: what this machine can hold, and the training plan that follows from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

from luthier.core.errors import ResourceError
from luthier.core.spec import Spec, runtime
from luthier.setup import memory
from luthier.setup.machine import Device, Machine, inspect_machine
from luthier.setup.memory import Needs, Precision, Quantisation
from luthier.setup.optimizers import AnyOptimizer, batch_of
from luthier.setup.shape import Shape
from luthier.setup.trained import Trained

__all__ = [
    "Machine",
    "Plan",
    "Precision",
    "SetupSpec",
    "Workload",
    "answering_precision",
    "inspect_machine",
    "make_plan",
]

_SHARE = 0.8  # of the free memory is planned with
_COMFORTABLE = {"cpu": 4096, "cuda": 65536, "mps": 8192}  # tokens: more at once is no faster


class SetupSpec(Spec):
    """The machine. Only precision changes numbers; the rest names no artifact."""

    device: Literal["auto", "cpu", "cuda", "mps"] = runtime(default="auto")
    """Where to compute; ``auto`` takes a GPU if there is one."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the arithmetic; ``auto`` is bfloat16 where the processor has instructions for it."""
    threads: int | None = runtime(default=None, ge=1)
    """CPU threads; default all cores this process may use."""
    micro_batch_tokens: int | None = runtime(default=None, ge=16)
    """Tokens in memory at once; default from free memory. Gradients are accumulated, so this
    does not change the batch."""
    activation_checkpointing: Literal["auto"] | bool = runtime(default="auto")
    """Keep only the input of each block for the backward pass and compute the rest twice (Chen et
    al. 2016): less memory, about a third more work. ``auto`` does so where not even one row of
    ``tune.max_length`` fits without."""
    processes: int = runtime(default=1, ge=1)
    """Processes that tune together, one for each GPU or some for the cores of a CPU."""
    parallel: Literal["ddp", "fsdp2"] = runtime(default="ddp")
    """What several processes share: with ``ddp`` the rows, and each holds the whole model; with
    ``fsdp2`` also the weights, gradients and optimizer state."""


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """How a model will be tuned on this machine.

    Attributes:
        device: ``cpu``, ``cuda`` or ``mps``.
        precision: Of the arithmetic.
        threads: Of the CPU.
        micro_batch_tokens: Tokens in one forward and backward pass.
        accumulation: Passes per optimizer step; 0 where that depends on the rows.
        memory_needed_bytes: The most at one time, estimated.
        memory_bytes: What is free.
        machine: Its name.
        activation_checkpointing: Blocks keep only their input, and are computed twice.
        needs: What the memory is for.
        reasons: Why each of these is what it is, by the name of the attribute.
        processes: That tune together; memory, threads and micro-batch are of one of them.
        parallel: What they share.
        quantisation: Bits that the matrices of a frozen base are held in.
    """

    device: str
    precision: Precision
    threads: int
    micro_batch_tokens: int
    accumulation: int
    memory_needed_bytes: int
    memory_bytes: int
    machine: str
    activation_checkpointing: bool = False
    needs: Needs = dataclasses.field(default_factory=Needs)
    reasons: dict[str, str] = dataclasses.field(default_factory=dict)
    processes: int = 1
    parallel: Literal["ddp", "fsdp2"] = "ddp"
    quantisation: Quantisation = "none"

    @property
    def arithmetic(self) -> str:
        """What of a plan changes numbers: ``bfloat16``, or ``bfloat16, 4bit``."""
        if self.quantisation == "none":
            return self.precision
        return f"{self.precision}, {self.quantisation}"

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Plan:
        """A plan that was written as JSON (``dataclasses.asdict``)."""
        return cls(**{**told, "needs": Needs(**told["needs"])})


@dataclasses.dataclass(frozen=True, slots=True)
class Workload:
    """What is to be done, as far as memory depends on it.

    Attributes:
        shape: The model's.
        trained: What the method updates.
        optimizer: How.
        batch_tokens: Tokens per optimizer step.
        max_length: Longest row, in tokens: the least a micro-batch must hold.
        quantisation: Of the model's matrices.
        kernels: The fused kernels can run here, and the objective can use them.
    """

    shape: Shape
    trained: Trained
    optimizer: AnyOptimizer
    batch_tokens: int
    max_length: int
    quantisation: Quantisation = "none"
    kernels: bool = False


def make_plan(spec: SetupSpec, machine: Machine, work: Workload) -> Plan:
    """Find the micro-batch that fits the memory, by arithmetic rather than by crashing.

    Args:
        spec: What the user decided.
        machine: What was found.
        work: What is to be done.

    Raises:
        ResourceError: Not one row fits.
    """
    precision, why_precision = _precision(spec, machine)
    row = _row_tokens(work)
    threads = spec.threads or max(1, machine.cores // spec.processes)
    budget = _budget(spec, machine)

    def needs(tokens: int, checkpointing: bool) -> Needs:
        return memory.to_tune(
            work.shape,
            work.trained,
            work.optimizer,
            precision,
            quantisation=work.quantisation,
            tokens=tokens,
            row_tokens=row,
            checkpointing=checkpointing,
            host=machine.device != "cuda",
            kernels=threads if work.kernels and machine.device == "cpu" else 0,
        )

    least = max(row, spec.micro_batch_tokens or 0)
    checkpointing, why_checkpointing = _checkpointing(spec, fits=needs(least, False).peak <= budget)
    if needs(least, checkpointing).peak > budget:
        raise _too_large(needs(least, checkpointing), needs(least, True), machine, spec, work)
    fits = lambda tokens: needs(tokens, checkpointing).peak <= budget  # noqa: E731
    micro, why_micro = _micro_batch(spec, machine, work, row, fits)
    needed, kind = needs(micro, checkpointing), batch_of(work.optimizer)
    passes = {"row": 1, "all": 0}.get(kind, -(-max(1, work.batch_tokens // row) // (micro // row)))
    return Plan(
        device=machine.device,
        precision=precision,
        threads=threads,
        micro_batch_tokens=micro,
        accumulation=passes,
        memory_needed_bytes=needed.peak,
        memory_bytes=machine.memory_bytes,
        machine=f"{machine.name}, {machine.cores} cores",
        activation_checkpointing=checkpointing,
        needs=needed,
        reasons={
            **_plain_reasons(spec, machine),
            "precision": why_precision,
            "micro_batch_tokens": why_micro,
            "accumulation": _why_passes(kind, work),
            "activation_checkpointing": why_checkpointing,
        },
        processes=spec.processes,
        parallel=spec.parallel,
        quantisation=work.quantisation,
    )


def _budget(spec: SetupSpec, machine: Machine) -> int:
    """Bytes for one process: a GPU each, or one memory for all."""
    sharing = spec.processes if machine.device != "cuda" else 1
    return int(machine.memory_bytes * _SHARE / sharing)


def _plain_reasons(spec: SetupSpec, machine: Machine) -> dict[str, str]:
    """Reasons that need no arithmetic."""
    shared = " are shared out" if spec.processes > 1 else ""
    return {
        "device": "as set" if spec.device != "auto" else _found(machine.device),
        "threads": "as set" if spec.threads else f"all cores this process may use{shared}",
        "processes": "as set" if spec.processes > 1 else "setup.processes lets more share the rows",
        "memory_needed_bytes": f"at most {_SHARE:.0%} of what is free is planned with",
    }


def _row_tokens(work: Workload) -> int:
    """Tokens of a packed row: as asked for, or what the model can read."""
    return min(work.max_length, work.shape.context_length or work.max_length)


def _found(device: Device) -> str:
    return "no GPU was found" if device == "cpu" else "found on this machine"


def _precision(spec: SetupSpec, machine: Machine) -> tuple[Precision, str]:
    if spec.precision != "auto":
        return spec.precision, "as set"
    if machine.fast_bfloat16:
        return "bfloat16", "the processor has instructions for it; float32 copies are updated"
    return "float32", "the processor has no instructions for bfloat16"


def _checkpointing(spec: SetupSpec, *, fits: bool) -> tuple[bool, str]:
    match spec.activation_checkpointing:
        case "auto" if fits:
            return False, "a row of the longest length fits without"
        case "auto":
            return True, "not even one row of the longest length fits without"
        case asked:
            return bool(asked), "as set"


def _micro_batch(
    spec: SetupSpec, machine: Machine, work: Workload, row: int, fits: Callable[[int], bool]
) -> tuple[int, str]:
    """Tokens at once: whole rows, as many as are of use and fit."""
    if spec.micro_batch_tokens is not None:
        if spec.micro_batch_tokens < row:
            return row, "one row of the longest length, more than set"
        return spec.micro_batch_tokens, "as set"
    comfortable = _COMFORTABLE[machine.device]
    useful = max(row, min(work.batch_tokens, comfortable))
    if fits(useful):
        whole = "the whole batch" if useful == work.batch_tokens else "more would be no faster"
        return useful, whole if useful > row else "one row of the longest length"
    low, high = 1, max(1, useful // row)  # rows: so many fit, so many do not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle * row) else (low, middle)
    return low * row, "as many rows as memory holds"


def _why_passes(kind: Literal["tokens", "row", "all"], work: Workload) -> str:
    match kind:
        case "row":
            return "each step reads one row"
        case "all":
            return "each step reads all rows: as many passes as they need"
        case "tokens":
            return f"for {work.batch_tokens:,} tokens per optimizer step"


def _too_large(
    needed: Needs, spared: Needs, machine: Machine, spec: SetupSpec, work: Workload
) -> ResourceError:
    method = "LoRA, "
    if work.trained.added:
        method = "QLoRA (4 bits), " if work.quantisation == "none" else ""
    ways = f"Choose {method}a smaller model, or a smaller tune.max_length"
    if spec.micro_batch_tokens is not None:
        ways += " or setup.micro_batch_tokens"
    if spared.peak <= machine.memory_bytes * _SHARE:
        ways = "Set setup.activation_checkpointing to auto"
    items = {name: int(size) for name, size in dataclasses.asdict(needed).items()}
    largest = sorted(items, key=lambda name: -items[name])[:3]
    parts = ", ".join(f"{name} {items[name] / 1e9:.1f}" for name in largest)
    return ResourceError(
        f"tuning needs {needed.peak / 1e9:.1f} GB, "
        f"{machine.memory_bytes / 1e9:.1f} GB are free ({parts}; {_SHARE:.0%} can be used)",
        where="setup",
        mend=ways + ".",
    )


def answering_precision(device: str) -> Precision:
    """The precision answers are generated in: bfloat16 on a GPU, float32 on a CPU.

    On a CPU, kernels for bfloat16 are compiled anew for every prompt length.
    """
    return "float32" if device == "cpu" else "bfloat16"
