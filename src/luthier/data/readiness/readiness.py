"""Readiness: a profile of the prepared data with a traffic light for each point."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from pydantic import Field

from luthier.core.errors import DataError
from luthier.core.ledger import FILE_NAME as LEDGER, read_ledger
from luthier.core.progress import Progress
from luthier.core.records import Document, Example, iterate_table, read_table
from luthier.core.spec import Spec, digest_of
from luthier.data.readiness import lights
from luthier.data.readiness.diversity import distinct_n, vendi_score
from luthier.data.readiness.domain import cross_entropy_difference
from luthier.data.readiness.lights import Light, said_by
from luthier.data.readiness.page import write_page
from luthier.data.readiness.repeats import contradictions, duplicates

if TYPE_CHECKING:
    from luthier.models.encode import Vectors

READINESS_VERSION = 4
FOLDS = 5  # for suspect labels; classes with fewer rows are not judged
_LANGUAGE_CHARS = 40

Encode = Callable[[Sequence[str]], "Vectors"]


class ReadinessSpec(Spec):
    """What the profile looks at."""

    min_rows: int = Field(1000, ge=1)
    """Training rows below which the size is no longer green."""
    min_class_rows: int = Field(10, ge=1)
    """Training rows below which a class counts as rare."""
    domain: tuple[str, ...] = ()
    """Text files of the domain; by default the project's own documents."""
    general: tuple[str, ...] = ()
    """Text files of language in general; without them relevance is judged by vectors alone."""
    sample: int = Field(1000, ge=10)
    """Rows that slow measures look at: vectors, diversity."""
    max_texts: int = Field(50_000, ge=100)
    """Texts that languages, duplicates, personal data and harm are looked for in."""


@dataclasses.dataclass(frozen=True, slots=True)
class Needs:
    """What the profile borrows from other rooms.

    Attributes:
        count_tokens: Tokens of a conversation as the model reads it.
        max_length: Longest row that tuning takes, in tokens.
        context_length: What the model takes, in tokens.
        encode: Texts to normalised vectors.
    """

    count_tokens: Callable[[Example], int]
    max_length: int
    context_length: int
    encode: Encode


def digest_readiness(spec: ReadinessSpec, base: Path) -> str:
    """A digest of the settings and of the text files they name.

    Args:
        spec: Settings.
        base: Folder that relative paths start from.

    Raises:
        DataError: A named file is missing or empty.
    """
    return digest_of([spec, _files(spec.domain, base), _files(spec.general, base)])


def readiness(
    spec: ReadinessSpec,
    rows: Path,
    texts: Path,
    folder: Path,
    progress: Progress,
    *,
    base: Path,
    needs: Needs,
    earlier: Mapping[str, Path],
    seed: int,
    name: str = "",
) -> dict[str, Any]:
    """Judge the prepared data.

    Args:
        spec: Settings.
        rows: Holds ``examples.parquet`` as it will be tuned on.
        texts: Holds ``documents.parquet``.
        folder: Gets ``readiness.json`` and ``readiness.html``.
        progress: Shows the points.
        base: Folder that relative paths start from.
        needs: Tokens, limits and vectors.
        earlier: Folders of the stages before by name, for their ledgers and reports.
        seed: Decides the samples.
        name: Of the project, for the page.

    Returns:
        The lights by name, and how many of each colour, as plain JSON.

    Raises:
        DataError: A named file is missing or empty.
    """
    started = time.monotonic()
    examples = read_table(rows / "examples.parquet", Example)
    tables = iterate_table(texts / "documents.parquet", Document)
    documents = [said_by(document) for batch in tables for document in batch]
    found: list[Light] = []
    steps = _steps(spec, examples, documents, base, needs, earlier, seed)
    with progress.task("Judging the data", 17) as task:
        for light in steps:
            found.append(light)
            task.advance(note=light.name)
    plain = [dataclasses.asdict(light) for light in found]
    (folder / "readiness.json").write_text(
        json.dumps({"lights": plain}, indent=2, ensure_ascii=False, allow_nan=False), "utf-8"
    )
    write_page(folder / "readiness.html", found, _counts(examples, documents), name)
    return {
        "colours": dict(Counter(light.colour for light in found)),
        "lights": {
            light.name: {"light": light.colour, "found": light.said, "mend": light.mend or "-"}
            for light in found
        },
        "page": "readiness.html",
        "seconds": round(time.monotonic() - started, 2),
    }


def _steps(
    spec: ReadinessSpec,
    examples: Sequence[Example],
    documents: Sequence[str],
    base: Path,
    needs: Needs,
    earlier: Mapping[str, Path],
    seed: int,
) -> Iterator[Light]:
    """One light after the other."""
    train = [e for e in examples if e.side == "train"]
    yield lights.size(train, spec.min_rows)
    yield lights.items([e for e in examples if e.side == "test"])
    yield lights.closed([e for e in examples if e.side != "test"])
    yield lights.balance(train)
    yield lights.rare(train, spec.min_class_rows)
    counted = [needs.count_tokens(e) for e in _sample(train, spec.max_texts)]
    yield lights.lengths(counted, needs.max_length, needs.context_length)
    yield lights.missing(*_missing(earlier))
    own = [e for e in examples if not e.parent]
    looked = _sample(own, spec.max_texts)
    yield duplicates(looked, documents[: spec.max_texts - len(looked)], earlier)
    yield contradictions(own)
    said = list(dict.fromkeys(_texts(examples, documents, spec)))
    yield _languages(said)
    yield _personal(said)
    yield from _content(said)
    yield lights.agreement(_json(earlier.get("annotate"), "annotate.json"))
    sample = _sample(train, spec.sample)
    vectors = needs.encode([said_by(e) for e in sample])
    yield _label_errors(_sample([e for e in own if e.side == "train" and e.label], spec.sample),
                        needs.encode, seed)  # fmt: skip
    yield _diversity([said_by(e) for e in sample], vectors)
    yield _relevance(spec, sample, vectors, documents, base, needs.encode, seed)


def _sample(rows: Sequence[Example], count: int) -> list[Example]:
    """The same rows whenever they are there: chosen by the hash of their id."""
    return sorted(rows, key=lambda e: hashlib.sha256(e.id.encode()).digest())[:count]


def _texts(rows: Sequence[Example], documents: Sequence[str], spec: ReadinessSpec) -> list[str]:
    """What rows and documents say, as far as it is looked at."""
    said = [said_by(row) for row in _sample(rows, spec.max_texts)]
    return said + list(documents[: spec.max_texts - len(said)])


def _missing(earlier: Mapping[str, Path]) -> tuple[dict[str, int], dict[str, int], int]:
    """What the collect stage's ledger says of missing values: by reason, by column; and rows."""
    reasons: Counter[str] = Counter()
    columns: Counter[str] = Counter()
    folder = earlier["collect"]
    if (folder / LEDGER).is_file():
        for entry in read_ledger(folder).entries:
            reasons[entry.reason] += 1
            if "missing" in entry.reason:
                columns[entry.detail.partition(":")[0]] += 1
            elif entry.reason.startswith("empty "):
                columns[entry.reason.removeprefix("empty ")] += 1
    rows = sum(
        pq.read_metadata(folder / name).num_rows for name in ("documents.parquet", "rows.parquet")
    )
    return dict(reasons), dict(columns.most_common()), rows


def _languages(texts: Sequence[str]) -> Light:
    from luthier.data.clean.language import languages_of

    judged = [t[:1000] for t in texts if len(t) >= _LANGUAGE_CHARS]
    told = Counter(language for language, _ in languages_of(judged))
    return lights.languages(dict(told.most_common()))


def _personal(texts: Sequence[str]) -> Light:
    from luthier.data.clean.pii import PiiSpec, plan_pii, treat

    kinds = ("email", "phone", "card", "iban", "ssn", "ip", "credentials", "secret")
    looks = PiiSpec.model_validate(dict.fromkeys(kinds, "report"))
    plan = plan_pii(looks, (), 0)
    found: Counter[str] = Counter()
    for text in texts:
        found.update(treat(text, plan).found)
    return lights.personal(dict(found.most_common()))


def _content(texts: Sequence[str]) -> Iterator[Light]:
    """Harmful content, and how groups of people are represented."""
    from luthier.data.clean.groups import represented
    from luthier.data.clean.harm import HarmSpec, harm_of

    harmful = Counter(kind for t in texts for kind in harm_of(t, HarmSpec()))
    share = sum(harmful.values()) / max(len(texts), 1)
    named = ", ".join(f"{n:,} {kind}" for kind, n in harmful.most_common())
    yield Light(
        "harmful content",
        lights.worst(share, 1e-9, 0.01),
        f"found: {named}" if harmful else "no text matches the word lists",
        "`data.clean.harm` refuses such rows; read them first." if harmful else "",
        {"counts": dict(harmful)},
    )
    groups = represented(texts)
    uneven = [one for one in groups if one["ratio"] >= 5]
    yield Light(
        "representation",
        "grey" if not groups else "yellow" if uneven else "green",
        "no group of people is named often enough to compare"
        if not groups
        else "; ".join(f"{one['attribute']}: {one['said']}" for one in groups),
        "Look at the words beside each group in the page; add texts about those left out: "
        "`data.sources`, or `data.synthesize` with a `grid` that names them."
        if uneven
        else "",
        {"attributes": groups},
    )


def _label_errors(rows: Sequence[Example], encode: Encode, seed: int) -> Light:
    """Judge labelled rows by their questions; a copy would only vouch for its parent's label."""
    from luthier.data.clean.label_errors import suspects

    if not rows:
        return Light("label errors", "grey", "rows have no labels")
    found = suspects(
        encode([e.question for e in rows]), [e.label for e in rows], folds=FOLDS, seed=seed
    )
    if found is None:
        return Light("label errors", "grey", "too few rows of each class to look for them")
    counts = Counter(e.label for e in rows)
    judged = sum(n for n in counts.values() if n >= FOLDS)
    if judged < len(rows) / 2:
        said = f"only {judged:,} of {len(rows):,} labels are of classes with {FOLDS} rows or more"
        return Light("label errors", "grey", said, "Raise `data.readiness.sample`.")
    share = len(found) / judged
    shown = [
        {"origin": rows[s.row].origin, "text": rows[s.row].question[:200],
         "label": rows[s.row].label, "rather": s.rather}
        for s in found[:20]
    ]  # fmt: skip
    return Light(
        "label errors",
        lights.worst(share, 0.02, 0.1),
        f"{len(found):,} of {judged:,} labels are suspect ({share:.1%})",
        "" if share < 0.02 else "Read them in the page; `data.clean.label_errors` leaves them out.",
        {"suspects": shown},
    )


def _diversity(texts: Sequence[str], vectors: Vectors) -> Light:
    if not len(texts):
        return Light("diversity", "grey", "there is no training row")
    vendi = vendi_score(vectors)
    share = vendi / min(len(texts), vectors.shape[1])
    return Light(
        "diversity",
        "green" if share >= 0.1 else "yellow" if share >= 0.03 else "red",
        f"{len(texts):,} rows say as much as {vendi:.0f} entirely different ones (Vendi score); "
        f"{distinct_n(texts, 2):.0%} of their word pairs are distinct",
        "" if share >= 0.1 else "Collect from more sources; `data.synthesize` with a grid of "
        "attributes varies what is written.",
        {"vendi": round(vendi, 2), "distinct_1": round(distinct_n(texts, 1), 4),
         "distinct_2": round(distinct_n(texts, 2), 4), "rows": len(texts)},
    )  # fmt: skip


def _relevance(
    spec: ReadinessSpec,
    sample: Sequence[Example],
    vectors: Vectors,
    documents: Sequence[str],
    base: Path,
    encode: Encode,
    seed: int,
) -> Light:
    domain = _files(spec.domain, base) or list(documents)
    if not domain or not len(sample):
        return Light("domain relevance", "grey", "there is nothing to compare with",
                     "Name texts of the domain: `data.readiness.domain`.")  # fmt: skip
    part = [domain[i] for i in np.random.default_rng(seed).permutation(len(domain))[: spec.sample]]
    centre = encode(part).mean(axis=0)
    near = vectors @ (centre / max(float(np.linalg.norm(centre)), 1e-9))
    facts: dict[str, Any] = {"cosine_median": round(float(np.median(near)), 4)}
    said = f"rows lie at a cosine of {facts['cosine_median']:.2f} from the middle of the domain"
    outside = float((near < 0.1).mean())
    if spec.general:
        difference = cross_entropy_difference(
            [said_by(e) for e in sample], domain, _files(spec.general, base), seed=seed
        )
        outside = float((difference > 0).mean())
        facts["cross_entropy_difference_median"] = round(float(np.median(difference)), 4)
        said += f"; {outside:.1%} are more like general language than like the domain"
        near = -difference
    facts["farthest"] = [
        {"origin": sample[i].origin, "question": sample[i].question[:200],
         "answer": sample[i].answer[:200]}
        for i in np.argsort(near)[:8]
    ]  # fmt: skip
    return Light(
        "domain relevance",
        lights.worst(outside, 0.1, 0.5),
        said,
        ""
        if outside < 0.1
        else "Read the farthest rows in the page; leave out what does not belong in "
        "`data.sources`, or name texts of the whole domain: `data.readiness.domain`.",
        facts,
    )


def _files(names: Sequence[str], base: Path) -> list[str]:
    """The paragraphs of text files."""
    parts: list[str] = []
    for name in names:
        try:
            text = (base / name).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"cannot read this file as UTF-8 text: {error}",
                where=str(base / name),
                mend="Check `domain` and `general` in `data.readiness`.",
            ) from error
        found = [p for p in text.split("\n\n") if p.strip()]
        if not found:
            raise DataError("this file is empty", where=str(base / name), mend="Name another.")
        parts += found
    return parts


def _json(folder: Path | None, name: str) -> dict[str, Any] | None:
    if folder is None or not (folder / name).is_file():
        return None
    told: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return told


def _counts(examples: Sequence[Example], documents: Sequence[str]) -> dict[str, int]:
    sides = Counter(e.side for e in examples)
    return {
        "documents": len(documents),
        "training rows": sides["train"],
        "validation rows": sides["validation"],
        "test rows": sides["test"],
    }
