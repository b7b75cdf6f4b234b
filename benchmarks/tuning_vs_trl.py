"""Speed of tuning: Luthier's loop beside TRL's SFTTrainer at its best settings.

    python benchmarks/tuning_vs_trl.py --model src/luthier/models/starter

The same model, the same token rows (questions about the standard library, half of them with a
context), loss on the same answer tokens, AdamW, the same tokens per step, the same threads. TRL is
tried first with each of the settings of ``peers/sft.py``, and the fastest meets Luthier in
alternating runs; medians count. Only real tokens count, never padding; the first steps, in which
kernels are compiled, don't. A figure below TRL's would be a defeat. Both sides also take one step
on one and the same batch: their losses must agree, and so must the number of tokens they learn
from. About six minutes on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import logging
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers.sft import WARM_UP, Job, Measured, Setting, run_trl, settings

from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet, Task
from luthier.core.records import Example
from luthier.data.collect import collect
from luthier.data.prepare import DataSpec, prepare, read_documents, read_examples
from luthier.data.pydoc import PydocSource
from luthier.models.load import Model, ScratchSpec, facts, load
from luthier.models.scratch import make
from luthier.rag.contexts import with_passages
from luthier.rag.index import RagSpec
from luthier.setup.plan import Plan, SetupSpec, inspect_machine, make_plan
from luthier.tune._loop import train
from luthier.tune._rows import Rows, from_examples
from luthier.tune.tune import TuneSpec

SAME = 0.02  # relative difference of the first losses that rounding to bfloat16 may explain
PEERS = ("trl", "datasets", "accelerate")


def main() -> int:
    """Make the rows, choose TRL's setting, alternate, print."""
    options = _options()
    missing = [name for name in PEERS if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f"SKIPPED, NOTHING WAS MEASURED: {', '.join(missing)} missing; install with "
            f"{sys.executable} -m pip install -c constraints.txt -e '.[bench]'",
            file=sys.stderr,
        )
        return 0
    _hush()
    with tempfile.TemporaryDirectory() as scratch:
        job = make_job(options, Path(scratch))
        torch.set_num_threads(job.plan.threads)
        _print_job(job)
        if not compare_first_step(job):
            return 1
        setting = best_setting(job, settings(job.spec), 2 if options.quick else 6)
        ours, theirs = [], []
        for number in range(options.repeats):
            ours.append(run_luthier(job))
            theirs.append(run_trl(job, setting))
            print(
                f"run {number + 1}: Luthier {ours[-1].rate():,.0f}, TRL {theirs[-1].rate():,.0f} "
                "tokens/s",
                flush=True,
            )
        _print_result(job, setting, ours, theirs)
    return 0


def make_job(options: argparse.Namespace, scratch: Path) -> Job:
    """Rows made by Luthier from the standard library's documentation, and the model."""
    packages = ("json", "logging", "collections") if options.quick else ("stdlib",)
    data = DataSpec(sources=(PydocSource(packages=packages, max_documents=options.rows),))
    collected, prepared = scratch / "collected", scratch / "prepared"
    collected.mkdir()
    prepared.mkdir()
    collect(data.sources, scratch, collected, Quiet())
    prepare(data, collected, prepared, Quiet(), seed=0)
    examples, documents = read_examples(prepared)[: options.rows], read_documents(collected)
    folder = options.model
    if folder is None:
        folder = scratch / "model"
        texts = [f"{d.title}\n{d.text}" for d in documents]
        make(ScratchSpec(), texts, folder, Quiet(), seed=0)
    spec = TuneSpec(
        batch_tokens=options.batch_tokens,
        max_length=options.max_length,
        epochs=1000,
        max_steps=WARM_UP + options.steps,
        checkpoint_every_s=1e9,
        schedule="constant",
    )
    plan = _plan(folder, spec, options.threads)
    model = load(folder, precision=plan.precision)
    rows = from_examples(
        _some_with_context(examples, documents, model),
        model.renderer,
        max_length=spec.max_length,
        learn_all=False,
        ledger=Ledger(),
    )
    return Job(folder, rows, spec, plan)


def compare_first_step(job: Job) -> bool:
    """One step of both on one batch; prints, and says whether they did the same."""
    few = np.searchsorted(job.rows.starts, 0.6 * job.spec.batch_tokens) - 1
    rows = _first(job.rows, max(1, int(few)))
    once = job.spec.model_copy(update={"max_steps": 1, "epochs": 1.0})
    same = dataclasses.replace(job, rows=rows, spec=once)
    ours, theirs = run_luthier(same), run_trl(same, settings(once)[0])
    apart = abs(ours.first_loss - theirs.first_loss) / theirs.first_loss
    print(
        f"one step on one batch of {len(rows)} rows: loss Luthier {ours.first_loss:.4f}, "
        f"TRL {theirs.first_loss:.4f} ({apart:.2%} apart: Luthier computes in {job.plan.precision} "
        "throughout, TRL in autocast, which keeps norms and the loss in float32); learned tokens "
        f"{ours.learned:,} and {theirs.learned:,}",
        flush=True,
    )
    if apart > SAME or ours.learned != theirs.learned:
        print("NOT COMPARABLE: the two sides do not learn the same", file=sys.stderr)
        return False
    return True


def best_setting(job: Job, settings: Sequence[Setting], steps: int) -> Setting:
    """The fastest of TRL's settings, each tried for some steps."""
    brief = job.spec.model_copy(update={"max_steps": WARM_UP + steps})
    rates = {}
    for setting in settings:
        rates[setting] = run_trl(dataclasses.replace(job, spec=brief), setting).rate()
        print(f"TRL, {setting.name}: {rates[setting]:,.0f} tokens/s", flush=True)
    return max(rates, key=rates.__getitem__)


def run_luthier(job: Job) -> Measured:
    """One run of Luthier's loop."""
    model = load(job.folder, precision=job.plan.precision)
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        history = train(model, job.rows, None, job.spec, job.plan, Path(folder), clock)
    stamps = [
        (wall, cpu, int(step[3]))
        for (wall, cpu), step in zip(clock.ends, history.train, strict=True)
    ]
    return Measured(stamps, history.train[0][1], job.rows.learned_tokens)


def gemm_peak(dtype: torch.dtype, size: int = 2048, repeats: int = 6) -> float:
    """FLOP/s of a square matrix product, the best of some."""
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - started)
    return 2 * size**3 / min(times)


def flops_per_token(job: Job) -> float:
    """Work that training on these rows takes, forward and backward, per real token.

    6 FLOP for each weight of the blocks and token; attention on earlier tokens of the same row; the
    vocabulary projection for learned tokens alone. What a side does beyond that is waste.
    """
    config = load(job.folder).network.config
    shape = facts(job.folder)
    head = shape["vocab_size"] * shape["hidden_size"]
    embeddings = head if config.tie_word_embeddings else 2 * head
    lengths, tokens = job.rows.lengths, int(job.rows.lengths.sum())
    attention = 6 * shape["layers"] * shape["hidden_size"] * float((lengths**2).sum())
    learned = 6 * head * job.rows.learned_tokens
    return 6 * (shape["parameters"] - embeddings) + (attention + learned) / tokens


class _Clock:
    """A ``Progress`` that notes the time of each step."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float]] = []

    @contextlib.contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Task]:
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        if steps:
            self.ends.append((time.perf_counter(), time.process_time()))

    def say(self, line: str) -> None:
        pass


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, help="model folder; default a new one, untrained")
    parser.add_argument("--rows", type=int, default=1500, help="questions")
    parser.add_argument("--steps", type=int, default=12, help="steps that count")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--threads", type=int, help="default: all cores")
    parser.add_argument("--quick", action="store_true", help="a smoke test, no measurement")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.steps, options.repeats = 120, 2, 1
        options.batch_tokens = 2048
    return options


def _hush() -> None:
    import datasets
    import transformers

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()


def _plan(folder: Path, spec: TuneSpec, threads: int | None) -> Plan:
    shape = facts(folder)
    return make_plan(
        SetupSpec(device="cpu", threads=threads),
        inspect_machine("cpu"),
        parameters=shape["parameters"],
        trainable=shape["parameters"],
        hidden_size=shape["hidden_size"],
        layers=shape["layers"],
        batch_tokens=spec.batch_tokens,
        max_length=spec.max_length,
    )


def _some_with_context(
    examples: Sequence[Example], documents: Sequence[Any], model: Model
) -> list[Example]:
    """Half of the questions with passages, cut and counted by the model's own tokens."""
    tokenizer = model.tokenizer

    def offsets(text: str) -> list[tuple[int, int]]:
        found = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
        return [(int(a), int(b)) for a, b in found["offset_mapping"]]

    return with_passages(
        examples,
        documents,
        RagSpec(chunk_size=128, chunk_overlap=24, context_tokens=320),
        share=0.5,
        count_tokens=lambda text: len(model.renderer.text_ids(text)),
        token_offsets=offsets,
        seed=0,
    )


def _first(rows: Rows, count: int) -> Rows:
    end = int(rows.starts[count])
    starts, origins = rows.starts[: count + 1], rows.origins[:count]
    return Rows(rows.ids[:end], rows.mask[:end], starts, 0, origins)


def _print_job(job: Job) -> None:
    versions = ", ".join(f"{n} {importlib.metadata.version(n)}" for n in (*PEERS, "transformers"))
    tokens = int(job.rows.lengths.sum())
    print(
        f"{job.plan.machine}, {job.plan.threads} threads, {job.plan.precision}; "
        f"torch {torch.__version__}, {versions}\n"
        f"{facts(job.folder)['parameters']:,} parameters; {len(job.rows):,} rows, "
        f"{tokens:,} tokens, {job.rows.learned_tokens:,} learned; {job.spec.batch_tokens:,} tokens "
        f"per step, {job.spec.max_steps} steps, the first {WARM_UP} not counted",
        flush=True,
    )


def _print_result(
    job: Job, setting: Setting, ours: Sequence[Measured], theirs: Sequence[Measured]
) -> None:
    peaks = {d: gemm_peak(d) for d in (torch.bfloat16, torch.float32)}
    work = flops_per_token(job)
    print(
        f"\nGEMM peak {peaks[torch.bfloat16] / 1e9:,.0f} GFLOP/s bfloat16, "
        f"{peaks[torch.float32] / 1e9:,.0f} float32; {work / 1e6:,.1f} MFLOP per real token\n"
        f"{'':10} tokens/s   per CPU s   GFLOP/s   of bf16 peak   of fp32 peak"
    )
    medians = []
    for name, runs in (("Luthier", ours), ("TRL", theirs)):
        rate = statistics.median(r.rate() for r in runs)
        per_cpu = statistics.median(r.rate(1) for r in runs)
        medians.append(rate)
        shares = [rate * work / peaks[d] for d in (torch.bfloat16, torch.float32)]
        print(
            f"{name:10} {rate:8,.0f}   {per_cpu:9,.0f}   {rate * work / 1e9:7,.1f}   "
            f"{shares[0]:12.1%}   {shares[1]:12.1%}"
        )
    ratios = [a.rate() / b.rate() for a, b in zip(ours, theirs, strict=True)]
    print(
        f"Luthier {medians[0] / medians[1]:.2f} times TRL ({setting.name}); run by run "
        f"{', '.join(f'{r:.2f}' for r in ratios)}"
    )


if __name__ == "__main__":
    sys.exit(main())
