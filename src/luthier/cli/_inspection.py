"""What ``luthier models inspect`` found, on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from luthier.cli._screen import count

_MOST_FILES = 12


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print it section by section; what is not there is left out.

    Args:
        found: From ``cli.models_inspect.inspect_model``.
        console: Where to print.
    """
    console.print(Text.assemble((found["name"], "bold"), f"  ({found['kind']})"))
    _lines(console, [*_model(found), *_adapter(found), *_card(found), *_tokenizer(found)])
    if found["shape"] is None or found["shape"]["decoder"]:  # an encoder converses with nobody
        _chat(console, found["chat"])
    _files(console, found)
    if found["memory"]:
        _memory(console, found["memory"])
    elif found["kind"] == "adapter":
        console.print("\nIts base is not here, so its memory is unknown.", style="yellow")
    if found["refused"]:
        console.print()
        console.print(Text(f"REFUSED: {found['refused']}", style="bold red"), soft_wrap=True)


def _lines(console: Console, lines: list[tuple[str, str]]) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True, min_width=12)
    grid.add_column()
    for label, value in lines:
        if value:
            grid.add_row(f"  {label}", Text(value))
    console.print(grid)


def _model(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    shape, config = found["shape"], found["config"]
    if shape is None:
        return []
    parts = ", ".join(f"{part} {count(n)}" for part, n in shape["parts"].items() if n)
    own = found["parameters"]
    other = own is not None and found["kind"] == "model" and own != shape["parameters"]
    gqa = f", {shape['kv_heads']} of keys and values" if shape["decoder"] else ""
    window = ""
    if shape["sliding_layers"]:
        window = f", {shape['sliding_layers']} layers look back {shape['window']:,} tokens"
    name = (config.get("architectures") or [shape["model_type"]])[0]
    use = "" if shape["decoder"] else ", an encoder: it labels and embeds texts, and writes none"
    return [
        ("architecture", name + use),
        ("parameters", f"{shape['parameters']:,} ({parts})"),
        ("in the files", f"{own:,}: not what config.json says" if other else ""),
        ("layers", f"{shape['layers']}, width {shape['width']:,}, MLP {shape['mlp_width']:,}"),
        ("heads", f"{shape['heads']} of {shape['head_dim']}{gqa}"),
        (
            "context",
            f"{shape['context_length']:,} tokens{window}" if shape["context_length"] else "",
        ),
        ("vocabulary", f"{shape['vocab_size']:,}" + (", tied" if shape["tied"] else "")),
    ]


def _adapter(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    adapter = found["adapter"]
    if adapter is None:
        return []
    own = adapter["parameters"]
    rank = f", rank {adapter['rank']}, alpha {adapter['alpha']}" if adapter["rank"] else ""
    here = adapter["base_folder"]
    return [
        ("adapter", adapter["peft_type"] + rank),
        ("its weights", f"{own:,}" if own is not None else "not downloaded"),
        ("on", ", ".join(adapter["targets"])),
        ("base", f"{adapter['base']} ({'at ' + here if here else 'not on this machine'})"),
    ]


def _card(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    def text(value: Any) -> str:
        return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

    lines = [("licence", found["licence"] or ("the card names none" if found["files"] else ""))]
    lines += [(key.replace("_", " "), text(value)) for key, value in found["card"].items()]
    lines.append(("gated", "yes: the hub wants an account" if found["gated"] else ""))
    lines.append(("revision", found["revision"]))
    return lines


def _tokenizer(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    tokens = found["tokens"]
    if tokens is None:
        return [("tokenizer", "none among the files" if found["files"] else "")]
    special = ", ".join(f"{use} {token}" for use, token in tokens["special"].items())
    cut = ""
    if tokens["tokens_per_word"] is not None:
        cut = (
            f"{tokens['tokens_per_word']:.2f} tokens a word, {tokens['bytes_per_token']:.2f} bytes "
            f"a token, {tokens['unknown']:.1%} unknown ({tokens['words']:,} words)"
        )
    return [
        ("tokenizer", f"{tokens['kind']}, {tokens['vocabulary']:,} entries ({special})"),
        ("on the texts", cut),
    ]


def _chat(console: Console, checks: list[Mapping[str, Any]]) -> None:
    if not checks:
        return
    console.print("\nChat template", style="bold")
    grid = Table.grid(padding=(0, 2))
    for check in checks:
        state, style = ("yes", "green") if check["passed"] else ("no", "yellow")
        if not check["passed"] and check["needed"]:
            style = "bold red"
        grid.add_row(f"  {check['name']}", Text(state, style=style), Text(check["told"]))
    console.print(grid)


def _files(console: Console, found: Mapping[str, Any]) -> None:
    files = found["files"]
    if not files:
        return
    console.print("\nFiles", style="bold")
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(justify="right")
    largest = sorted(files, key=lambda f: -f["bytes"])
    for file in largest[:_MOST_FILES]:
        digest = f"sha256 {file['sha256'][:16]}" if file["sha256"] else ""
        kind = Text(file["kind"], style="red" if file["kind"] in ("pickle", "code") else "")
        grid.add_row(f"  {file['name']}", _size(file["bytes"]), kind, Text(digest))
    console.print(grid)
    if len(largest) > _MOST_FILES:
        console.print(f"  and {len(largest) - _MOST_FILES} smaller ones", style="dim")
    for concern in found["concerns"]:
        console.print(Text(f"  {concern}", style="yellow"), soft_wrap=True)


def _memory(console: Console, memory: Mapping[str, Any]) -> None:
    free = memory["free_bytes"]
    kinds = list(memory["weights"])
    where = {"cpu": "main memory", "cuda": "the GPU", "mps": "Apple's GPU"}[memory["device"]]
    unit = _unit(memory)
    head = Text.assemble((f"\nMemory in {unit}", "bold"), f" ({free / 1e9:.1f} GB free in {where})")
    console.print(head)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    for kind in kinds:
        table.add_column(kind, justify="right")

    def cells(row: Mapping[str, int | None]) -> list[Text]:
        return [_amount(row[kind], free, unit) for kind in kinds]

    table.add_row("  weights", *cells(memory["weights"]))
    table.add_row("  to load", *cells(memory["load"]))
    for way, row in memory["tune"].items():
        plain = {kind: row[kind]["bytes"] for kind in kinds}
        spared = {kind: row[kind]["checkpointing_bytes"] for kind in kinds}
        table.add_row(f"  to tune: {way}", *cells(plain))
        table.add_row("    with activation checkpointing", *cells(spared))
    for row in memory["serve"]:
        said = f"  to serve: {row['streams']} x {row['context_tokens']:,} tokens"
        table.add_row(said, *cells(row))
    console.print(table)
    tokens, length = memory["tune_tokens"], memory["tune_row_tokens"]
    console.print(
        Text(
            f"  Tuning: AdamW, {tokens:,} tokens at once in rows of {length:,}; "
            "less at once needs less. Red does not fit here.",
            style="dim",
        )
    )


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"


def _unit(memory: Mapping[str, Any]) -> str:
    """One unit for the whole table, in which also the least amount can be told from nothing."""
    return "MB" if min(memory["weights"].values()) < 1e8 else "GB"


def _amount(size: int | None, free: int, unit: str) -> Text:
    if size is None:
        return Text("-", style="dim")
    amount = size / (1e6 if unit == "MB" else 1e9)
    digits = (2 if amount < 100 else 1) if unit == "GB" else (1 if amount < 100 else 0)
    shown = f"{amount:,.{digits}f}"
    return Text(shown, style="red" if size > free else "green")
