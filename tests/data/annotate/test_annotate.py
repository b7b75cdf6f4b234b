from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from luthier.core.errors import ConfigError, LeakageError
from luthier.core.ledger import Entry, Ledger, read_ledger
from luthier.core.progress import Quiet
from luthier.core.records import Document, Example, read_table, write_table
from luthier.data.annotate.annotate import (
    AnnotateSpec,
    Given,
    annotate,
    annotate_digest,
    needs_encoder,
    scheme_of,
)
from luthier.data.annotate.items import items_of
from luthier.data.annotate.labels import Label, read_labels, save_labels, when
from luthier.data.annotate.query import Queued
from luthier.data.annotate.tasks import export_tasks, import_tasks, open_tasks

TOPICS = ("card", "loan")
AT = when("2026-01-01T00:00:00Z")


def _encode(texts: Sequence[str]) -> np.ndarray:
    found = np.array([[("card" in t) + 0.1, ("loan" in t) + 0.1, len(t) / 500] for t in texts])
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def cleaned(tmp_path: Path) -> Path:
    folder = tmp_path / "cleaned"
    folder.mkdir()
    documents = [
        Document(f"d{i:02}", "", f"about my {TOPICS[i % 2]} {i}", f"t.csv:{i}", "row", f"g{i}")
        for i in range(40)
    ]
    documents.append(Document("m", "m", "def card()", "m.py:1", "module", "m"))
    write_table(folder / "documents.parquet", documents, Document)
    write_table(folder / "rows.parquet", [], Example)
    return folder


def _spec(**more: Any) -> AnnotateSpec:
    return AnnotateSpec.model_validate_json(json.dumps({"labels": TOPICS} | more))


def _annotate(spec: AnnotateSpec, cleaned: Path, name: str = "out", **more: Any) -> dict[str, Any]:
    folder = cleaned.parent / name
    folder.mkdir()
    return annotate(
        spec, cleaned, folder, Quiet(), base=cleaned.parent, seed=0, **({"encode": _encode} | more)
    )


def test_from_files_for_people_to_labelled_examples(cleaned: Path) -> None:
    spec = _spec(
        people={"annotators": ["anna", "bert"], "overlap": 2},
        automatic={"kind": "encoder", "min_confidence": 0.8, "min_labelled": 10},
        queue={"size": 5},
    )
    store = cleaned.parent / spec.people.labels
    items = items_of(read_table(cleaned / "documents.parquet", Document), [])
    tasks = open_tasks(items[:24], [], spec.people.annotators, overlap=2)
    for who, todo in tasks.items():
        path = export_tasks(todo, scheme_of(spec, cleaned), "csv", cleaned.parent, who, Ledger())[0]
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        for i, line in enumerate(lines[1:], start=1):
            said = "loan" if who == "bert" and i == 1 else "card" if "card" in line else "loan"
            lines[i] = line.removesuffix(",,,") + f",{said},,"
        path.write_text("\n".join(lines))
        save_labels(store, import_tasks(path, items, scheme_of(spec, cleaned), Ledger()).labels)
    assert len(read_labels(store)) == 48
    told = _annotate(spec, cleaned)
    assert told["labelled"] == {"people": 23, "automatic": 16}
    assert told["people"]["disagreements"] == 1
    assert 0.8 < told["agreement"]["Krippendorff's alpha"]["value"] < 1
    assert told["agreement"]["Cohen's kappa, anna and bert"]["items"] == 24
    assert told["judged_by"] == {"labels by people": 23, "labels by the source": 0}
    assert told["automatic"]["accuracy"] == 1.0
    out = cleaned.parent / "out"
    rows = read_table(out / "rows.parquet", Example)
    assert all(r.label in r.question and r.answer == r.label for r in rows)
    assert [d.id for d in read_table(out / "documents.parquet", Document)] == ["d00", "m"]
    assert len(read_table(out / "labelled.parquet", Given)) == len(rows) == 39
    assert read_ledger(out).reasons("changed") == {
        "labelled by people": 23,
        "labelled by automatic": 16,
    }
    assert json.loads((out / "annotate.json").read_text()) == told


def test_functions_label_and_the_rest_is_queued(cleaned: Path) -> None:
    functions = [{"kind": "pattern", "label": "card", "pattern": r"card \d$"}]
    told = _annotate(_spec(functions={"functions": functions}, queue={"size": 50}), cleaned)
    assert told["labelled"] == {"functions": 5}
    assert told["functions"][0]["coverage"] == 0.125
    queue = read_table(cleaned.parent / "out" / "queue.parquet", Queued)
    assert len(queue) == 35
    assert told["queue"] == {"strategy": queue[0].strategy, "rows": 35}


def test_the_same_seed_gives_the_same_tables(cleaned: Path) -> None:
    labels = [Label(f"d{i:02}", "anna", TOPICS[i % 2], AT) for i in range(12)]
    save_labels(cleaned.parent / "annotation" / "labels.parquet", labels)
    spec = _spec(automatic={"kind": "encoder", "min_labelled": 4}, queue={"strategy": "k-means"})
    for name in ("one", "two"):
        _annotate(spec, cleaned, name)
    for file in ("rows.parquet", "queue.parquet", "labelled.parquet", "ledger.parquet"):
        one, two = (cleaned.parent / name / file for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_labels_of_other_rows_and_other_schemes_are_told(cleaned: Path) -> None:
    labels = [Label("gone", "anna", "card", AT), Label("d01", "anna", "old label", AT)]
    save_labels(cleaned.parent / "annotation" / "labels.parquet", labels)
    told = _annotate(_spec(), cleaned)
    assert told["people"]["of_rows_not_here"] == 1
    assert told["people"]["set_aside"] == 1
    assert told["labelled"] == {}
    lines = read_ledger(cleaned.parent / "out").entries
    assert lines == [
        Entry("changed", "label no longer in the scheme", "t.csv:1", "anna: old label")
    ]
    queue = read_table(cleaned.parent / "out" / "queue.parquet", Queued)
    assert "d01" in {one.row_id for one in queue}, "the row is open again"


def test_unlabelled_texts_may_be_refused(cleaned: Path) -> None:
    with pytest.raises(LeakageError, match="no label"):
        _annotate(_spec(unlabelled="refuse"), cleaned)
    told = _annotate(_spec(unlabelled="refuse", max_refused=1.0), cleaned, "again")
    assert (told["documents"], told["refused"]) == (1, 40)


def test_nothing_in_nothing_out(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_table(tmp_path / "empty" / "documents.parquet", [], Document)
    write_table(tmp_path / "empty" / "rows.parquet", [], Example)
    functions = [{"kind": "keywords", "label": "card", "words": ["card"]}]
    spec = _spec(functions={"functions": functions}, automatic={"kind": "encoder"})
    assert _annotate(spec, tmp_path / "empty")["rows"] == 0


def test_what_was_not_given_is_told(cleaned: Path) -> None:
    with pytest.raises(ConfigError, match="encoder"):
        _annotate(_spec(automatic={"kind": "encoder"}), cleaned, encode=None)
    with pytest.raises(ConfigError, match="model"):
        _annotate(_spec(automatic={"kind": "model"}), cleaned, "again")


def test_digest_follows_labels_and_functions(tmp_path: Path) -> None:
    functions = [{"kind": "python", "function": "rules.py:own"}]
    spec = _spec(functions={"functions": functions})
    seen = {annotate_digest(spec, tmp_path)}
    (tmp_path / "rules.py").write_text("def own(text): return None\n")
    seen.add(annotate_digest(spec, tmp_path))
    save_labels(tmp_path / spec.people.labels, [Label("a", "anna", "card", AT)])
    seen.add(annotate_digest(spec, tmp_path))
    assert len(seen) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": ["a"]},
        {"labels": ["a", " A"]},
        {"labels": ["a", " "]},
        {"order": ["functions", "functions"]},
        {"people": {"annotators": ["../anna"]}},
        {"people": {"annotators": ["anna", "anna"]}},
        {"people": {"annotators": ["anna", "bert"], "overlap": 3}},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _spec(**wrong)


def test_whether_an_encoder_is_needed() -> None:
    assert not needs_encoder(_spec())
    assert needs_encoder(_spec(queue={"strategy": "k-center"}))
    assert needs_encoder(_spec(functions={"functions": [{"kind": "encoder"}]}))


def test_where_batches_are_cut_changes_no_row(
    cleaned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cleaned.parent / "own.py").write_text(
        "def own(text):\n    return 'card' if text.endswith('2') else int(text[-1]) / 0"
    )
    functions = [
        {"kind": "pattern", "label": "loan", "pattern": r"loan \d$"},
        {"kind": "python", "function": "own.py:own"},
        {"kind": "encoder", "min_labelled": 2},
    ]
    labels = [Label(f"d{i:02}", "anna", TOPICS[i % 2], AT) for i in range(12)]
    save_labels(cleaned.parent / "annotation" / "labels.parquet", labels)
    spec = _spec(functions={"functions": functions}, queue={"size": 9, "strategy": "k-center"})
    whole = _annotate(spec, cleaned, "whole")
    monkeypatch.setattr("luthier.data.annotate.annotate.BATCH_ROWS", 7)
    monkeypatch.setattr("luthier.data.annotate._merge.ENCODED", 5)
    parts = _annotate(spec, cleaned, "parts")
    assert {**whole, "seconds": 0} == {**parts, "seconds": 0}
    assert whole["changed"]["labelling function failed"] > 20
    for file, record in (
        ("documents", Document), ("rows", Example), ("queue", Queued), ("labelled", Given),
        ("ledger", Entry),
    ):  # fmt: skip
        one, two = (
            read_table(cleaned.parent / name / f"{file}.parquet", record)
            for name in ("whole", "parts")
        )
        assert one == two
