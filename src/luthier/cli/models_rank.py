"""``luthier models rank``: language models beside each other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli._project import project_file
from luthier.cli._project_texts import ProjectTexts

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from luthier.core.progress import Progress
    from luthier.evaluate._rank_answers import Questions
    from luthier.evaluate._rank_texts import HeldOut, Text

SPARED = ("ppl/token", "ppl/word", "tok/word", "weights", "memory", "kB/s")
"""Columns that terminals too narrow for the whole table do not get."""
_METRICS = {"accuracy": "accuracy", "token_f1": "token F1"}
ASKED = ("few-shot", "below the best")
"""Columns that are there if models were asked."""


@click.command("rank")
@click.argument("candidates", nargs=-1, required=True, metavar="CANDIDATE...")
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    help="The project whose rows are used: its file or folder.  [default: luthier.yaml]",
)
@click.option(
    "--texts",
    type=click.Path(exists=True, path_type=Path),
    help="Rank on this file (.txt, .md, .jsonl) or folder of such files instead.",
)
@click.option(
    "--side",
    type=click.Choice(["validation", "test"]),
    help="The side of the project's rows to rank on.  [default: validation]",
)
@click.option("--max-bytes", type=click.IntRange(min=1), help="Rank on whole texts up to so many.")
@click.option(
    "--few-shot",
    type=click.IntRange(min=0),
    help="Ask the models questions of that side too, with so many training examples in the prompt.",
)
@click.option(
    "--questions",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="How many questions at most, with --few-shot.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def command(candidates: tuple[str, ...], as_json: bool, quiet: bool, **options: Any) -> None:
    """Rank language models by the bits they need for each byte of the same text.

    A CANDIDATE is `ngram` (trained on the project's training rows; `ngram:2` has another order
    than 4), `starter`, `tuned` (what `luthier run` tuned), a model folder, or a model of the hub.
    With `:float32`, `:bfloat16`, `:8bit` or `:4bit` behind it a model's weights are held so:
    `starter starter:4bit` shows what four bits cost.

    Ranked on the validation side unless told otherwise. The test side stays locked without
    `--side test`.
    """
    from rich.console import Console

    from luthier.core.progress import Quiet, Terminal

    found = rank_models(candidates, Quiet() if quiet else Terminal(), **options)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        show(found, Console())


def rank_models(
    names: Sequence[str],
    progress: Progress,
    *,
    project: Path | None,
    texts: Path | None,
    side: HeldOut | None,
    max_bytes: int | None,
    few_shot: int | None = None,
    questions: int = 100,
) -> dict[str, Any]:
    """Find texts and candidates, and rank.

    Args:
        names: The candidates, see ``evaluate.rank.candidate``.
        progress: Bars.
        project: What ``--project`` says.
        texts: What ``--texts`` says.
        side: What ``--side`` says; None for validation.
        max_bytes: What ``--max-bytes`` says.
        few_shot: What ``--few-shot`` says.
        questions: What ``--questions`` says.

    Returns:
        See ``evaluate.rank.rank``; under ``texts`` also ``of``, ``left_out``, and whether
        documents stayed out because the tuned model learned them (``documents_learned``).

    Raises:
        ConfigError: Options that exclude each other, or a project is needed and there is none.
        LuthierError: A stage, a text or a model failed.
    """
    from luthier.core.errors import ConfigError
    from luthier.evaluate import rank as ranking
    from luthier.evaluate._rank_texts import choose
    from luthier.setup.plan import inspect_machine

    if texts and side:
        raise ConfigError("--texts and --side exclude each other", where="luthier models rank")
    kinds = {name.partition(":")[0] for name in names}
    needed = texts is None or few_shot is not None or bool(kinds & {ranking.NGRAM, ranking.TUNED})
    own = ProjectTexts(project_file(project), progress) if needed else None
    tuned, plain = own.tuned() if own and ranking.TUNED in kinds else (None, False)
    found = [ranking.candidate(name, Path(), tuned) for name in names]
    shown = side or "validation"
    kept, left = choose(_every(texts, own, shown, documents=not plain), max_bytes)
    result = ranking.rank(
        kept,
        found,
        progress,
        learned=own.learned() if own and ranking.NGRAM in kinds else (),
        questions=_questions(own, shown, few_shot, questions),
        device=inspect_machine(own.device if own else "auto").device,
        seed=own.seed if own else 0,
    )
    result["texts"] |= {
        "of": str(texts) if texts else f"{shown} side",
        "documents_learned": plain and texts is None,
        "left_out": {"texts": len(left), "bytes": sum(t.size_bytes for t in left)},
    }
    return result


def _every(
    texts: Path | None, own: ProjectTexts | None, side: HeldOut, *, documents: bool
) -> list[Text]:
    """The texts of a file, or the held-out ones of the project."""
    from luthier.evaluate._rank_texts import read_texts

    if texts is not None:
        return read_texts(texts)
    assert own is not None  # without a file of texts there is a project
    return own.held_out(side, documents=documents)


def _questions(
    own: ProjectTexts | None, side: HeldOut, shots: int | None, count: int
) -> Questions | None:
    if own is None or shots is None:
        return None
    return own.questions(side, shots, count)


def show(result: Mapping[str, Any], console: Console) -> None:
    """Print the table of ranked models and what must be known to read it.

    Args:
        result: From ``rank_models``.
        console: Where to print; narrow terminals get fewer columns, files all of them.
    """
    from rich.measure import Measurement
    from rich.text import Text as Line

    texts, rows = result["texts"], result["candidates"]
    said = f"{_texts(texts['texts'])}, {texts['bytes']:,} bytes, {texts['words']:,} words"
    console.print(Line.assemble((texts["of"], "bold"), f"  {said}"), soft_wrap=True)
    table = _table(rows)
    needed = Measurement.get(console, console.options.update(width=1000), table).maximum
    if not console.is_terminal:
        console.width = max(console.width, needed)
    console.print(table if console.width >= needed else _table(rows, SPARED))
    console.print(Line(result["headline"], style="bold"), soft_wrap=True)
    advice = result["recommendation"]["sentence"]
    label = "Recommended: " if result["recommendation"]["name"] else ""
    console.print(Line(label + advice, style="bold"), soft_wrap=True)
    for note in notes(result):
        console.print(Line(note, style="dim"), soft_wrap=True)


def _table(rows: Sequence[Mapping[str, Any]], spared: Sequence[str] = ()) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1), collapse_padding=True, header_style="dim")
    asked = any(row.get("few_shot") for row in rows)
    titles = [t for t in _cells(rows[0]) if t not in spared and (asked or t not in ASKED)]
    for number, title in enumerate(titles):
        left = number == 0
        table.add_column(
            title, justify="left" if left else "right", no_wrap=not left, overflow="fold"
        )
    for row in rows:
        cells = _cells(row)
        table.add_row(*(cells[title] for title in titles))
    return table


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    """A row of the table by column."""
    from rich.markup import escape

    from luthier.cli._screen import count

    verdict, more = row.get("verdict", ""), row.get("against_best")
    apart = _interval(more) if more and verdict == "worse" else verdict
    words, peak = row["tokens_per_word"], row["peak_bytes"]
    few = row.get("few_shot") or {}
    less = _interval(few["against_best"]) if few.get("verdict") == "worse" else few.get("verdict")
    return {
        "model": escape(row["name"]),
        "bits per byte": escape(_interval(row["bits_per_byte"])),
        "above the best": escape(apart),
        "few-shot": escape(_interval(few["score"])) if few else "-",
        "below the best": escape(less or ""),
        "ppl/token": _figure(row["perplexity_per_token"]),
        "ppl/word": _figure(row["perplexity_per_word"]),
        "tok/word": "-" if words is None else f"{words:.2f}",
        "weights": count(row["parameters"]),
        "memory": f"{row['memory_bytes'] / 1e6:,.1f} MB",
        "peak": "-" if peak is None else f"{peak / 1e6:,.0f} MB",
        "kB/s": f"{row['mb_per_s'] * 1e3:,.3g}",
        "licence": escape(row["licence"] or "-"),
    }


def _interval(found: Mapping[str, float | None]) -> str:
    parts = [f"{value:.3f}" for value in found.values() if value is not None]
    return parts[0] if len(parts) == 1 else f"{parts[0]} [{parts[1]}, {parts[2]}]"


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 1000 else f"{value:,.0f}" if value < 1e5 else f"{value:.1e}"


def notes(result: Mapping[str, Any]) -> list[str]:
    """What must be known to read the table, one line each."""
    texts, rows = result["texts"], result["candidates"]
    if rows[0]["bits_per_byte"]["low"] is None:
        lines = ["No intervals: they need eight texts. ppl: perplexity."]
    else:
        drawn = f"{result['drawn']:,} {result['drawn_from']}"
        lines = [f"{result['confidence']:.0%} intervals, resampling {drawn}. ppl: perplexity."]
    if left := texts["left_out"]["texts"]:
        size = texts["left_out"]["bytes"]
        lines.append(f"Left out: {_texts(left)} with {size:,} bytes, empty or past --max-bytes.")
    if texts["documents_learned"]:
        lines.append("Documents are not among the texts: the tuned model has learned them all.")
    if texts["of"] == "test side":
        lines.append("The test side was read: a choice made by this table is no longer unseen.")
    if asked := result["questions"]:
        shots = len(asked["shots"])
        lines.append(
            f"few-shot: {_METRICS[asked['metric']]} over {asked['items']:,} questions, "
            f"{shots} training example{'' if shots == 1 else 's'} in the prompt, at most "
            f"{asked['max_new_tokens']} tokens an answer."
        )
    for row in rows:
        lines += _asked_notes(row)
        name = row["name"]
        if row["texts_in_windows"]:
            window = row["window_tokens"]
            lines.append(
                f"{name} reads {_texts(row['texts_in_windows'])} in windows of {window:,} tokens, "
                f"each {window // 2:,} further on: no byte is left out."
            )
        if row["changed_texts"]:
            changed = _texts(row["changed_texts"])
            lines.append(f"{name}: its tokenizer changes {changed}, so it scored others.")
        if row["unknown_tokens"]:
            unknown = f"{row['unknown_tokens']:,} tokens are unknown signs"
            lines.append(f"{name}: {unknown}, each charged 8 bits a byte.")
        if row.get("texts_learned_too"):
            met = _texts(row["texts_learned_too"])
            lines.append(f"{name} was trained on {met} of these, or on a whole line of each.")
    return lines


def _asked_notes(row: Mapping[str, Any]) -> list[str]:
    """What must be known of a model's answers."""
    few, lines = row.get("few_shot"), []
    if few is None:
        return []
    if few["plain"]:
        lines.append(f"{row['name']} has no chat template: it was asked in plain text.")
    if few["context"]:
        prompts = "1 prompt" if few["context"] == 1 else f"{few['context']:,} prompts"
        lines.append(f"{row['name']}: {prompts} did not fit its context and count as wrong.")
    return lines


def _texts(number: int) -> str:
    return "1 text" if number == 1 else f"{number:,} texts"
