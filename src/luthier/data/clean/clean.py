"""Cleaning: what ``collect`` brought in is repaired, judged, freed of duplicates and masked.

Rows pass through batch by batch, so memory does not grow with the data. In this order: markup,
encodings, boilerplate, white space; the rules of length, Gopher, C4 and language; personal data;
exact duplicates; near-duplicates.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import hmac
import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq
from pydantic import Field

from luthier.core.errors import DataError
from luthier.core.ledger import Entry
from luthier.core.progress import Progress, Task
from luthier.core.records import Document, Example, TableWriter, iterate_table
from luthier.core.spec import Spec, digest_file, digest_of
from luthier.data.clean._books import Books
from luthier.data.clean.batch import Batch, Plan, Row, Shown, clean_batch, repair_body
from luthier.data.clean.boilerplate import BoilerplateSpec, shared_lines
from luthier.data.clean.c4 import C4Spec
from luthier.data.clean.decontaminate import DecontaminateSpec, read_index
from luthier.data.clean.encodings import EncodingsSpec
from luthier.data.clean.exact import ExactSpec, exact_key
from luthier.data.clean.facts import Rows
from luthier.data.clean.gopher_quality import GopherQualitySpec
from luthier.data.clean.gopher_repetition import GopherRepetitionSpec
from luthier.data.clean.harm import HarmSpec
from luthier.data.clean.label_errors import Encode, LabelErrorsSpec, without_suspects
from luthier.data.clean.language import LanguageSpec
from luthier.data.clean.length import LengthSpec
from luthier.data.clean.markup import MarkupSpec
from luthier.data.clean.near import NearSpec, case_of, said, without_near, write_twins
from luthier.data.clean.pii import PiiSpec, plan_pii
from luthier.data.clean.whitespace import WhitespaceSpec
from luthier.data.duplicates import find

CLEAN_VERSION = 3
BATCH_ROWS, SHOWN = 8192, 12

Run = Callable[[Callable[[Sequence[Row]], Batch], Iterable[Sequence[Row]]], Iterable[Batch]]
"""How batches are cleaned: ``map``, or one that uses several processes and keeps the order."""

_TABLES: tuple[tuple[str, type[Document] | type[Example], Rows], ...] = (
    ("documents.parquet", Document, "documents"),
    ("rows.parquet", Example, "rows"),
)


class CleanSpec(Spec):
    """What is repaired, refused and masked. Null switches a part off, ``{}`` on as it comes.

    Without any settings only encodings and white space are repaired.
    """

    encodings: EncodingsSpec | None = EncodingsSpec()
    """Mojibake, Unicode normal form, invisible characters."""
    whitespace: WhitespaceSpec | None = WhitespaceSpec()
    """Line ends, odd spaces, blanks at line ends, empty lines."""
    markup: MarkupSpec | None = None
    """HTML tags and Markdown marks are taken out."""
    boilerplate: BoilerplateSpec | None = None
    """Lines about cookies, scripts and rights, and lines many documents share, are taken out."""
    length: LengthSpec | None = None
    """Too short and too long texts are refused."""
    language: LanguageSpec | None = None
    """Texts in other languages are refused."""
    gopher_quality: GopherQualitySpec | None = None
    """Texts that don't read like prose are refused."""
    gopher_repetition: GopherRepetitionSpec | None = None
    """Texts that repeat themselves are refused."""
    c4: C4Spec | None = None
    """Lines that are no sentences are taken out; code, placeholders and bad words refused."""
    harm: HarmSpec | None = None
    """Texts that threaten, incite, urge to self-harm or dehumanise are refused."""
    decontaminate: DecontaminateSpec | None = None
    """Texts that share a long run of words with named evaluation files are refused."""
    rows_judged_by: Literal["conversation", "answer"] = "conversation"
    """What the rules read of a question with its answer: all of it, or the answer alone."""
    pii: PiiSpec | None = None
    """Personal data is masked, replaced, refused or counted."""
    exact_duplicates: ExactSpec | None = None
    """Rows that repeat an earlier one are refused."""
    near_duplicates: NearSpec | None = None
    """Rows that nearly repeat an earlier one are refused."""
    label_errors: LabelErrorsSpec | None = None
    """Rows whose label is suspect are refused; needs the encoder."""
    max_refused: float = Field(default=0.5, ge=0.0, le=1.0)
    """Largest share of refused rows that is not an error."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Tally:
    """What the batches told, and for how many rows the search for near-duplicates was cut short."""

    pii: Counter[str] = dataclasses.field(default_factory=Counter)
    pii_rows: Counter[str] = dataclasses.field(default_factory=Counter)
    shown: list[Shown] = dataclasses.field(default_factory=list)
    crowded: dict[Rows, int] = dataclasses.field(default_factory=dict)


def digest_clean(spec: CleanSpec, base: Path) -> str:
    """A digest of the settings and of the files and the key they name.

    Args:
        spec: The stage's settings.
        base: Folder that relative paths start from.

    Raises:
        DataError: A file is missing.
    """
    named = [
        ("pii.names_file", spec.pii and spec.pii.names_file),
        ("c4.bad_words_file", spec.c4 and spec.c4.bad_words_file),
    ]
    if spec.length is not None and spec.length.tokenizer:
        named.append(("length.tokenizer", f"{spec.length.tokenizer}/tokenizer.json"))
    if spec.decontaminate is not None:
        named += [("decontaminate.files", name) for name in spec.decontaminate.files]
    files = [digest_file(_existing(base / name, key)) for key, name in named if name]
    key = os.environ.get(spec.pii.key_env, "") if spec.pii and spec.pii.key_env else ""
    sign = hmac.digest(key.encode(), b"luthier.data.clean", hashlib.sha256).hex()[:8] if key else ""
    return digest_of([spec, files, sign])


def clean(
    spec: CleanSpec,
    collected: Path,
    folder: Path,
    progress: Progress,
    *,
    base: Path,
    seed: int,
    run: Run = map,
    encode: Encode | None = None,
) -> dict[str, Any]:
    """Clean what was collected.

    Args:
        spec: The stage's settings.
        collected: A folder with ``documents.parquet`` and ``rows.parquet``.
        folder: Where the same two, ``ledger.parquet`` and ``clean.json`` go.
        progress: Shows the rows.
        base: Folder that relative paths in the settings start from.
        seed: Decides the stand-ins for personal data where no key is named.
        run: Cleans batches, in order; ``map`` does so in this process.
        encode: Texts to normalised vectors; needed for ``label_errors``.

    Returns:
        Counts of rows, reasons, findings of personal data, some changes and seconds, as plain
        JSON; all but the seconds stand in ``clean.json``.

    Raises:
        ConfigError: The key's environment variable is not set.
        DataError: A named file is missing, or no row is left.
        LeakageError: More rows were refused than ``max_refused`` allows.
        ResourceError: A library is missing.
    """
    started = time.monotonic()
    plan = dataclasses.replace(plan_of(spec, base, seed), shared=_shared(spec, collected))
    tally = _Tally()
    rows_in, rows_out = dict[Rows, int](), dict[Rows, int]()
    with Books(folder) as books:
        for name, record, kind in _TABLES:
            rows_in[kind] = pq.read_metadata(collected / name).num_rows
            with progress.task(f"Cleaning {kind}", rows_in[kind]) as task:
                batches = _told(iterate_table(collected / name, record, BATCH_ROWS), task)
                cleaned = run(functools.partial(clean_batch, plan=plan), batches)
                rows_out[kind] = _write(spec, cleaned, kind, record, folder / name, books, tally)
        if spec.label_errors is not None:
            rows_out["rows"] -= without_suspects(
                folder / "rows.parquet", spec.label_errors, encode, seed, books
            )
    books.check(
        rows_in=sum(rows_in.values()),
        rows_out=sum(rows_out.values()),
        limit=spec.max_refused,
        stage="clean",
    )
    if not any(rows_out.values()):
        raise DataError("no row is left after cleaning", where="data.clean", mend="Refuse less.")
    summary = _summary(rows_in, rows_out, books, tally)
    told = json.dumps(summary, indent=2, ensure_ascii=False)
    (folder / "clean.json").write_text(told, encoding="utf-8")
    return {**summary, "seconds": round(time.monotonic() - started, 2)}


def _summary(
    rows_in: dict[Rows, int], rows_out: dict[Rows, int], books: Books, tally: _Tally
) -> dict[str, Any]:
    return {
        "rows_in": rows_in,
        "rows_out": rows_out,
        "refused": books.refused,
        "reasons": books.reasons(),
        **({"crowded": tally.crowded} if tally.crowded else {}),
        "changed": books.reasons("changed"),
        "personal_data": {
            kind: {"found": count, "rows": tally.pii_rows[kind]}
            for kind, count in tally.pii.most_common()
        },
        "examples": [dataclasses.asdict(shown) for shown in tally.shown],
    }


def plan_of(spec: CleanSpec, base: Path, seed: int) -> Plan:
    """What cleaning a batch needs: files are read, paths made absolute, the key fetched.

    Args:
        spec: The stage's settings.
        base: Folder that relative paths start from.
        seed: Decides the stand-ins for personal data where no key is named.

    Raises:
        ConfigError: The key's environment variable is not set.
        DataError: A named file is missing.
    """
    if spec.length is not None and spec.length.tokenizer is not None:
        folder = str((base / spec.length.tokenizer).resolve())
        spec = _with(spec, length=_with(spec.length, tokenizer=folder))
    if spec.c4 is not None and spec.c4.bad_words_file is not None:
        words = (*spec.c4.bad_words, *_lines(base / spec.c4.bad_words_file, "c4.bad_words_file"))
        spec = _with(spec, c4=_with(spec.c4, bad_words=words))
    evaluation = read_index(spec.decontaminate, base) if spec.decontaminate else {}
    if spec.pii is None:
        return Plan(spec, evaluation=evaluation)
    file = spec.pii.names_file
    more = _lines(base / file, "pii.names_file") if file is not None else ()
    pii = plan_pii(spec.pii, (*spec.pii.names, *more), seed)
    return Plan(spec, pii, evaluation=evaluation)


def _with(spec: Any, **fields: Any) -> Any:
    return spec.model_copy(update=fields)


def _existing(path: Path, key: str) -> Path:
    if not path.is_file():
        raise DataError("no such file", where=str(path), mend=f"Check `data.clean.{key}`.")
    return path


def _lines(path: Path, key: str) -> tuple[str, ...]:
    try:
        text = _existing(path, key).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError("not UTF-8", where=str(path), mend="Save it as UTF-8.") from error
    return tuple(stripped for line in text.splitlines() if (stripped := line.strip()))


def _shared(spec: CleanSpec, collected: Path) -> frozenset[int]:
    """Lines that many documents share, as they look once markup and encodings are repaired."""
    if spec.boilerplate is None:
        return frozenset()

    def batches() -> Iterator[list[str]]:
        for batch in iterate_table(collected / "documents.parquet", Document, BATCH_ROWS):
            yield [repair_body(document.text, spec, {}) for document in batch]

    return shared_lines(batches, spec.boilerplate)


def _told(batches: Iterable[list[Any]], task: Task) -> Iterator[list[Any]]:
    for batch in batches:
        yield batch
        task.advance(len(batch))


def _write(
    spec: CleanSpec,
    batches: Iterable[Batch],
    kind: Rows,
    record: type[Document] | type[Example],
    target: Path,
    books: Books,
    tally: _Tally,
) -> int:
    """Write what stays of a table, and return how many rows that is."""
    near, exact = spec.near_duplicates, spec.exact_duplicates
    compares = near is not None and near.judges in ("all", kind)
    draft = target.with_name(f"draft-{target.name}") if compares else target
    seen: set[int] | None = set() if exact is not None and exact.judges in ("all", kind) else None
    labels: list[str] = []
    with TableWriter(draft, record) as writer:

        def texts() -> Iterator[str]:
            for batch in batches:
                rows = batch.rows if seen is None else _first_ones(batch, seen)
                writer.write(rows)
                books.add(batch.entries)
                tally.pii.update(batch.pii)
                tally.pii_rows.update(batch.pii_rows)
                _keep_shown(tally.shown, batch.shown)
                if compares:
                    labels.extend(map(case_of, rows))
                    yield from map(said, rows)

        if near is None or not compares:
            deque(texts(), maxlen=0)  # only to be written
            return writer.rows
        found = find(texts(), near.likeness)
    twins = without_near(draft, target, found, labels, books)
    draft.unlink()
    tally.crowded[kind] = found.crowded
    if kind == "rows":
        write_twins(target.parent, near.likeness, twins)
    return len(twins)


def _first_ones(batch: Batch, seen: set[int]) -> list[Row]:
    """The rows that repeat none before; the others get a line."""
    kept = []
    for row in batch.rows:
        key = exact_key(row)
        if key in seen:
            batch.entries.append(Entry("refused", "exact duplicate", row.origin))
        else:
            seen.add(key)
            kept.append(row)
    return kept


def _keep_shown(kept: list[Shown], new: list[Shown]) -> None:
    """Keep some changes: a few of each reason, twelve at most."""
    for shown in new:
        alike = sum(k.reason == shown.reason for k in kept)
        if len(kept) < SHOWN and alike < SHOWN // 4:
            kept.append(shown)
