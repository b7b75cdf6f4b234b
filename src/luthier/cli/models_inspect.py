"""``luthier models inspect``: what a model is, whether it is safe, and what memory it needs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.core.errors import ModelError

if TYPE_CHECKING:
    from rich.console import Console

    from luthier.models.inspect import Inspection
    from luthier.setup.machine import Machine
    from luthier.setup.shape import Shape

KINDS: dict[str, tuple[Any, Any]] = {
    "float32": ("float32", "none"),
    "bfloat16": ("bfloat16", "none"),
    "8bit": ("bfloat16", "8bit"),
    "4bit": ("bfloat16", "4bit"),
}
"""Precision and quantisation under one name."""
SERVED = ((1, 2048), (8, 2048), (1, 8192))
"""Streams and tokens of context that the memory of serving is shown for."""
ROW, BATCH = 512, 4096
"""Tokens of a row, and in memory at once, that the memory of tuning is shown for."""


@click.command("inspect")
@click.argument("model")
@click.option("--revision", help="Branch, tag or commit of a model on the hub.")
@click.option("--offline", is_flag=True, help="Ask no hub: only folders and its cache.")
@click.option(
    "--texts",
    type=click.Path(exists=True, path_type=Path),
    help="Count the tokens of a word on this file (.txt, .md, .jsonl) or folder of such files.",
)
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    help="Count them on the training rows of this project: its file or folder.",
)
@click.option(
    "--allow-pickle",
    is_flag=True,
    help="Refuse pickled weights only if they would import more than tensors need.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(model: str, as_json: bool, **options: Any) -> None:
    """Show what a model is before it is downloaded, tuned or trusted.

    MODEL is `starter`, `minilm`, a model folder, an adapter's folder, a config.json, or a model of
    the hub, of which only small files are downloaded. Its architecture and size, tokenizer and chat
    template, licence and card, the safety of its files, and the memory to load, tune and serve it.

    Ends with exit code 5 if the weights are refused.
    """
    found = inspect_model(model, **options)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        from rich.console import Console

        show(found, Console())
    if found["refused"]:
        raise SystemExit(ModelError.exit_code)


def inspect_model(
    name: str,
    *,
    revision: str | None = None,
    offline: bool = False,
    texts: Path | None = None,
    project: Path | None = None,
    allow_pickle: bool = False,
) -> dict[str, Any]:
    """Everything about a model as plain data: see ``models.inspect.Inspection``, and its memory.

    Args:
        name: The model.
        revision: What ``--revision`` says.
        offline: What ``--offline`` says.
        texts: What ``--texts`` says.
        project: What ``--project`` says.
        allow_pickle: What ``--allow-pickle`` says.

    Raises:
        LuthierError: The model, the texts or the project cannot be read.
    """
    from luthier.models.inspect import inspect
    from luthier.models.load import ModelSpec
    from luthier.setup.machine import inspect_machine
    from luthier.setup.shape import shape_of

    spec = ModelSpec(name=name, revision=revision, offline=offline)
    seen = inspect(spec, Path(), _texts(texts, project), allow_pickle=allow_pickle)
    found = dataclasses.asdict(seen)
    if not seen.config:
        return {**found, "shape": None, "memory": None}
    shape = shape_of(seen.config)
    machine = inspect_machine()
    found["shape"] = {**dataclasses.asdict(shape), "parameters": shape.parameters}
    found["shape"]["parts"] = shape.parts()
    found["memory"] = memory_of(shape, machine, stored=_stored(seen))
    return found


def _texts(texts: Path | None, project: Path | None) -> list[str]:
    if texts is not None:
        from luthier.evaluate._rank_texts import read_texts

        return [text.text for text in read_texts(texts)]
    if project is not None:
        from luthier.cli._project import project_file
        from luthier.cli._project_texts import ProjectTexts
        from luthier.core.progress import Terminal

        return list(ProjectTexts(project_file(project), Terminal()).learned())
    return []


def _stored(seen: Inspection) -> str | None:
    """What precision the files hold, where the config tells."""
    told = str(seen.config.get("dtype") or seen.config.get("torch_dtype") or "")
    return told if told in ("float32", "bfloat16") else None


def memory_of(shape: Shape, machine: Machine, *, stored: Any = None) -> dict[str, Any]:
    """Bytes to load, tune and serve a model in each precision, and whether this machine has them.

    Args:
        shape: The model's.
        machine: This one.
        stored: What its files hold.
    """
    from luthier.models import _fused_library
    from luthier.setup import memory, trained
    from luthier.setup.optimizers import AdamW

    kinds = KINDS
    ways = {
        "full": trained.full(shape),
        "half": trained.half(shape),
        "last 2 layers": trained.last_layers(shape, 2, head=shape.decoder),
        "lora r=16": trained.low_rank(shape, 16),
    }
    row = min(ROW, shape.context_length or ROW)
    fast = machine.device == "cpu" and machine.fast_bfloat16
    threads = machine.cores if fast and _fused_library.library()[0] is not None else 0

    def tuned(way: str, kind: str, spared: bool) -> int | None:
        precision, bits = kinds[kind]
        if bits != "none" and ways[way].added == 0:
            return None  # quantised weights stay frozen
        options: dict[str, Any] = {"quantisation": bits, "tokens": BATCH, "row_tokens": row}
        options |= {"checkpointing": spared, "host": machine.device != "cuda", "kernels": threads}
        return memory.to_tune(shape, ways[way], AdamW(), precision, **options).peak

    load = {
        kind: memory.to_load(shape, precision, bits, stored=stored or precision)
        for kind, (precision, bits) in kinds.items()
    }
    tune = {
        way: {
            kind: {"bytes": tuned(way, kind, False), "checkpointing_bytes": tuned(way, kind, True)}
            for kind in kinds
        }
        for way in ways
    }
    return {
        "free_bytes": machine.memory_bytes,
        "device": machine.device,
        "weights": {kind: memory.held(shape, *kinds[kind]) for kind in kinds},
        "load": load,
        "tune": tune,
        "tune_tokens": BATCH,
        "tune_row_tokens": row,
        "serve": _to_serve(shape) if shape.decoder else [],
    }


def _to_serve(shape: Shape) -> list[dict[str, int]]:
    """Bytes in each precision for some numbers of streams and lengths."""
    from luthier.setup import memory

    longest = shape.context_length or max(length for _, length in SERVED)
    found = []
    for streams, length in dict.fromkeys((n, min(length, longest)) for n, length in SERVED):
        how: dict[str, Any] = {"streams": streams, "context_tokens": length}
        peaks = {k: memory.to_serve(shape, *kind, **how).peak for k, kind in KINDS.items()}
        found.append(how | peaks)
    return found


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print what was found.

    Args:
        found: From ``inspect_model``.
        console: Where to print; files get lines of 100 columns.
    """
    from luthier.cli import _inspection

    if not console.is_terminal:
        console.width = 100
    _inspection.show(found, console)
