"""Labelling functions: short rules that name a label or abstain, and what they are worth.

Coverage, overlap, conflict and empirical accuracy are as in A. Ratner et al., *Snorkel: rapid
training data creation with weak supervision*, 2017.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import sys
from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, assert_never

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from luthier.core.errors import ConfigError, DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.spec import Spec
from luthier.data.annotate.autolabel import (
    EncoderLabels,
    ModelLabels,
    Predictions,
    by_encoder,
    by_model,
)
from luthier.data.annotate.items import Item
from luthier.data.annotate.label_model import ABSTAIN, Matrix
from luthier.models.encode import Vectors
from luthier.models.generate import Generate

Whole = npt.NDArray[np.int64]
Rule = Callable[[Item], int]


class KeywordsFunction(Spec):
    """Names its label where one of the words stands in the text."""

    kind: Literal["keywords"] = "keywords"
    label: str
    """What it names."""
    words: tuple[str, ...] = Field(min_length=1)
    """Words or phrases, found as whole words, whatever their case."""
    name: str = ""
    """In the report; by default made from kind and label."""


class PatternFunction(Spec):
    """Names its label where a regular expression is found in the text."""

    kind: Literal["pattern"] = "pattern"
    label: str
    """What it names."""
    pattern: str
    """As Python's `re` has it; searched anywhere in the text."""
    ignore_case: bool = True
    """Whether upper and lower case are the same."""
    name: str = ""
    """In the report; by default made from kind and label."""

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern


class PythonFunction(Spec):
    """A function of the user's own: it gets the text and returns a label, or None to abstain.

    The file is run with all the rights of whoever runs Luthier.
    """

    kind: Literal["python"] = "python"
    function: str = Field(pattern=r"^.+\.py:[A-Za-z_]\w*$")
    """`file.py:function`, the file relative to the project file."""
    name: str = ""
    """In the report; by default the function's."""


class ModelFunction(ModelLabels):
    """A model as one labelling function among others; it abstains below `min_confidence`."""

    name: str = ""
    """In the report; by default `model`."""


class EncoderFunction(EncoderLabels):
    """A classifier on the encoder, taught by the rows people labelled; abstains when unsure."""

    name: str = ""
    """In the report; by default `encoder`."""


FunctionSpec = Annotated[
    KeywordsFunction | PatternFunction | PythonFunction | ModelFunction | EncoderFunction,
    Field(discriminator="kind"),
]


@dataclasses.dataclass(frozen=True, slots=True)
class FunctionReport:
    """What one labelling function did.

    Attributes:
        name: Its name.
        labels: Labels it gave at least once.
        coverage: Share of rows it labels.
        overlap: Share of rows that it and another one label.
        conflict: Share of rows that it and another one label differently.
        known: Rows that it labels and that have a label by people or by their source too.
        accuracy: Share of these where they say the same; None if there are none.
    """

    name: str
    labels: tuple[str, ...]
    coverage: float
    overlap: float
    conflict: float
    known: int
    accuracy: float | None

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return dataclasses.asdict(self) | {"labels": list(self.labels)}


def apply(
    specs: Sequence[FunctionSpec],
    items: Collection[Item],
    names: Sequence[str],
    base: Path,
    ledger: Ledger,
    progress: Progress,
    *,
    known: Whole,
    seed: int,
    vectors: Vectors | None = None,
    answer: Generate | None = None,
    silent: dict[int, str] | None = None,
) -> Matrix:
    """Let all functions vote on all items.

    Args:
        specs: The functions.
        items: What to label; gone through once, whatever the number of rules.
        names: The scheme's labels.
        base: Folder that relative paths start from.
        ledger: Gets a line where a function fails or names no label of the scheme (it abstains).
        progress: Shows a bar.
        known: [items] of label numbers, -1 where unknown; they teach and calibrate classifiers.
        seed: Of folds.
        vectors: Of the items, where an encoder is asked for.
        answer: The model, where one is asked for.
        silent: Gets, by column, why a model or a classifier abstains on all items.

    Returns:
        [items, functions] of label numbers, -1 to abstain.

    Raises:
        ConfigError: A function names an unknown label, or what it needs is missing.
        DataError: A user's file cannot be loaded.
    """
    votes = np.full((len(items), len(specs)), ABSTAIN, dtype=np.int16)
    rules: dict[int, Rule] = {}
    with progress.task("Labelling by functions", len(specs)) as task:
        for column, (spec, name) in enumerate(zip(specs, names_of(specs), strict=True)):
            match spec:
                case KeywordsFunction() | PatternFunction():
                    rules[column] = _rule(spec, names)
                case PythonFunction():
                    called = load_function(spec.function, base)
                    rules[column] = _called(called, name, names, ledger)
                case ModelFunction() | EncoderFunction():
                    found = _predicted(
                        spec, name, items, names, known, vectors, answer, seed, ledger, progress
                    )
                    votes[:, column] = sure(found, spec)
                    if silent is not None and (told := why_none(found, spec)):
                        silent[column] = told
                case _:
                    assert_never(spec)
            task.advance(note=name)
        for column, said in _ruled(rules, items).items():
            votes[:, column] = said
    return votes


def _predicted(
    spec: ModelFunction | EncoderFunction,
    name: str,
    items: Collection[Item],
    names: Sequence[str],
    known: Whole,
    vectors: Vectors | None,
    answer: Generate | None,
    seed: int,
    ledger: Ledger,
    progress: Progress,
) -> Predictions:
    """What a model or a classifier makes of all items."""
    if isinstance(spec, ModelFunction):
        if answer is None:
            raise ConfigError("no model was given to label with", where=name)
        return by_model(items, known, names, spec, answer, seed, ledger, progress)
    if vectors is None:
        raise ConfigError("no encoder was given to label with", where=name)
    return by_encoder(vectors, known, len(names), spec, seed)


def sure(found: Predictions, spec: ModelLabels | EncoderLabels) -> Whole:
    """Numbers of the labels that are sure enough, -1 for the others."""
    if found.why:
        return np.full(len(found.best), ABSTAIN)
    return np.where(found.confidence >= spec.min_confidence, found.best, ABSTAIN)


def why_none(found: Predictions, spec: ModelLabels | EncoderLabels) -> str:
    """Why no label is sure enough; "" where one is, or where there is nothing to label."""
    if found.why or not len(found.best) or (sure(found, spec) >= 0).any():
        return found.why
    return f"no row is as sure as {spec.min_confidence:g} (at most {found.confidence.max():.2f})"


def report(
    votes: Matrix, specs: Sequence[FunctionSpec], names: Sequence[str], known: Whole
) -> list[FunctionReport]:
    """What each function did, in the order of the columns.

    Args:
        votes: From ``apply``.
        specs: The functions.
        names: The scheme's labels.
        known: [items] of label numbers, -1 where unknown.
    """
    voted = votes >= 0
    several = voted.sum(axis=1) > 1
    low = np.where(voted, votes, np.iinfo(np.int16).max).min(axis=1, initial=np.iinfo(np.int16).max)
    torn = several & (low != votes.max(axis=1, initial=ABSTAIN))
    total = max(len(votes), 1)
    found = []
    for column, name in enumerate(names_of(specs)):
        here = voted[:, column]
        both = here & (known >= 0)
        right = (votes[both, column] == known[both]).mean() if both.any() else None
        found.append(
            FunctionReport(
                name,
                tuple(names[i] for i in np.unique(votes[here, column])),
                round(float(here.sum() / total), 4),
                round(float((here & several).sum() / total), 4),
                round(float((here & torn & _differs(votes, column)).sum() / total), 4),
                int(both.sum()),
                None if right is None else round(float(right), 4),
            )
        )
    return found


def names_of(specs: Sequence[FunctionSpec]) -> list[str]:
    """A name for each function, each once."""
    names: list[str] = []
    for spec in specs:
        match spec:
            case KeywordsFunction() | PatternFunction():
                name = spec.name or f"{spec.kind}: {spec.label}"
            case PythonFunction():
                name = spec.name or spec.function.rpartition(":")[2]
            case ModelFunction() | EncoderFunction():
                name = spec.name or spec.kind
            case _:
                assert_never(spec)
        again = sum(n == name or n.startswith(f"{name} (") for n in names)
        names.append(f"{name} ({again + 1})" if again else name)
    return names


def load_function(where: str, base: Path) -> Callable[[str], Any]:
    """Load ``file.py:function``.

    Raises:
        DataError: The file is missing, fails when it is run, or has no such function.
    """
    file, _, name = where.rpartition(":")
    path = base / file
    if not path.is_file():
        raise DataError("no such file", where=str(path), mend="Check `function`.")
    # named by its place, so that two files of one name don't take each other's
    module_name = f"_luthier_functions_{abs(hash(path.resolve())):x}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None  # a .py file has one
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        line = getattr(error, "lineno", None) or _line_in(error, path)
        raise DataError(
            f"this file cannot be run: {type(error).__name__}: {error}",
            where=f"{path}:{line}" if line else str(path),
        ) from error
    finally:
        sys.modules.pop(module_name, None)
    found = getattr(module, name, None)
    if not callable(found):
        own = sorted(n for n, v in vars(module).items() if callable(v) and not n.startswith("_"))
        raise DataError(
            f"no function {name!r} in this file",
            where=str(path),
            mend=f"It has: {', '.join(own) or 'none'}.",
        )
    checked: Callable[[str], Any] = found
    return checked


def _line_in(error: BaseException, path: Path) -> int:
    """Last line of the file that an error passed through; 0 if none."""
    line, step = 0, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == str(path):
            line = step.tb_lineno
        step = step.tb_next
    return line


def _rule(spec: KeywordsFunction | PatternFunction, names: Sequence[str]) -> Rule:
    if spec.label not in names:
        raise ConfigError(
            f"a labelling function names {spec.label!r}, which is no label",
            where="data.annotate.functions",
            mend=f"The labels are: {', '.join(names)}.",
        )
    number = list(names).index(spec.label)
    if isinstance(spec, PatternFunction):
        pattern = re.compile(spec.pattern, re.IGNORECASE if spec.ignore_case else 0)
    else:
        words = "|".join(re.escape(w) for w in sorted(spec.words, key=len, reverse=True))
        pattern = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)
    return lambda item: number if pattern.search(item.text) else ABSTAIN


def _ruled(rules: Mapping[int, Rule], items: Collection[Item]) -> dict[int, array[int]]:
    """The votes of each rule, from one walk through the items."""
    votes = {column: array("h") for column in rules}
    if rules:
        pairs = [(votes[column].append, rule) for column, rule in rules.items()]
        for item in items:
            for add, rule in pairs:
                add(rule(item))
    return votes


def _called(
    function: Callable[[str], Any], name: str, names: Sequence[str], ledger: Ledger
) -> Rule:
    place = {label: i for i, label in enumerate(names)}

    def rule(item: Item) -> int:
        try:
            said = function(item.text)
        except Exception as error:  # noqa: BLE001  a user's function may raise anything
            told = f"{name}: {type(error).__name__}: {error}"
            ledger.change("labelling function failed", item.origin, told)
            return ABSTAIN
        if said is None:
            return ABSTAIN
        if isinstance(said, str) and said in place:
            return place[said]
        ledger.change("labelling function named no label", item.origin, f"{name}: {said!r}")
        return ABSTAIN

    return rule


def _differs(votes: Matrix, column: int) -> npt.NDArray[np.bool_]:
    """Where another function that votes says something else than this one."""
    mine = votes[:, [column]]
    return np.asarray(((votes >= 0) & (votes != mine)).any(axis=1))
