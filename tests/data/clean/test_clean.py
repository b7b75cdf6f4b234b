"""The stage: folder in, folder out, books balanced, nothing private written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from luthier.core.errors import ConfigError, DataError, LeakageError
from luthier.core.ledger import read_ledger
from luthier.core.progress import Quiet
from luthier.core.records import Document, Example, Message, read_table, write_table
from luthier.data.clean import clean as stage
from luthier.data.clean.batch import Batch, Row
from luthier.data.clean.boilerplate import BoilerplateSpec
from luthier.data.clean.c4 import C4Spec
from luthier.data.clean.clean import CleanSpec, clean, digest_clean, plan_of
from luthier.data.clean.exact import ExactSpec
from luthier.data.clean.label_errors import LabelErrorsSpec
from luthier.data.clean.length import LengthSpec
from luthier.data.clean.near import NearSpec, read_twins, said
from luthier.data.clean.pii import PiiSpec
from luthier.data.duplicates import DuplicatesSpec, find

SMS = [
    "Hi its Kate can u give me a ring asap xxx 07946 095812",
    "FREE entry in 2 a wkly comp! Txt WIN to 80086, T&Cs at www.comp.biz",
    "ok lar... joking wif u oni :-)",
    "OK LAR...  joking wif u oni :-)",
    "mail it 2 me: kate.b@mail.co.uk, not the old 1",
    "Iâ€™m at the cafÃ©, where r u???",
    "\u200b\u200b",
]
FULL = CleanSpec(
    pii=PiiSpec(email="pseudonymise"),
    exact_duplicates=ExactSpec(),
    near_duplicates=NearSpec(judges="all"),
    length=LengthSpec(min_chars=3),
)


def _document(i: int, text: str) -> Document:
    return Document(f"sms.csv:{i}", f"sms {i}", text, f"sms.csv:{i}", "row", f"sms.csv:{i}")


def _example(i: int, question: str, answer: str) -> Example:
    messages = (Message("user", question), Message("assistant", answer))
    return Example(f"qa.csv:{i}", messages, f"qa.csv:{i}", f"qa.csv:{i}", "row")


def _fill(folder: Path, documents: list[Document], rows: list[Example]) -> Path:
    folder.mkdir(exist_ok=True)
    write_table(folder / "documents.parquet", documents, Document)
    write_table(folder / "rows.parquet", rows, Example)
    return folder


@pytest.fixture
def collected(tmp_path: Path) -> Path:
    rows = [
        _example(0, "Whose number is it?", "Write to kate.b@mail.co.uk."),
        _example(1, "whose number is it? ", "Write to kate.b@mail.co.uk."),
        _example(2, "Who?", "\x00"),
    ]
    return _fill(tmp_path / "in", [_document(i, t) for i, t in enumerate(SMS)], rows)


def _clean(spec: CleanSpec, collected: Path, folder: Path, **more: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    return clean(spec, collected, folder, Quiet(), base=collected.parent, seed=0, **more)


def test_messages_are_cleaned(collected: Path, tmp_path: Path) -> None:
    told = _clean(FULL, collected, tmp_path / "out")
    texts = [d.text for d in read_table(tmp_path / "out/documents.parquet", Document)]
    assert texts[0] == "Hi its Kate can u give me a ring asap xxx [PHONE]"
    assert texts[1:3] == SMS[1:3]
    assert texts[4] == "I’m at the café, where r u???"
    rows = read_table(tmp_path / "out/rows.parquet", Example)
    standin = texts[3].removeprefix("mail it 2 me: ").split(",")[0]
    assert [r.answer for r in rows] == [f"Write to {standin}."]
    assert standin.endswith("@example.com")
    assert told["rows_in"] == {"documents": 7, "rows": 3}
    assert told["rows_out"] == {"documents": 5, "rows": 1}
    assert told["reasons"] == {
        "exact duplicate": 2,
        "nothing is left": 1,
        "nothing is left of the answer": 1,
    }
    assert told["personal_data"] == {
        "email": {"found": 3, "rows": 3},
        "phone": {"found": 1, "rows": 1},
    }
    ledger = read_ledger(tmp_path / "out")
    assert (ledger.refused, ledger.reasons("changed")) == (4, told["changed"])
    written = (tmp_path / "out/clean.json").read_text(encoding="utf-8")
    assert json.loads(written) == {k: v for k, v in told.items() if k != "seconds"}
    assert "07946" not in written + str(ledger.entries)
    assert "kate.b" not in written
    assert not list((tmp_path / "out").glob("draft*"))


def test_without_settings_little_changes(collected: Path, tmp_path: Path) -> None:
    told = _clean(CleanSpec(), collected, tmp_path / "out")
    assert told["rows_out"] == {"documents": 6, "rows": 2}
    assert told["changed"] == {"encoding repaired": 1, "white space tidied": 1}


def test_batches_and_processes_make_no_difference(
    collected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def threads(
        work: Callable[[Sequence[Row]], Batch], batches: Iterable[Sequence[Row]]
    ) -> Iterable[Batch]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(work, batches))

    _clean(FULL, collected, tmp_path / "one")
    monkeypatch.setattr(stage, "BATCH_ROWS", 2)
    _clean(FULL, collected, tmp_path / "other", run=threads)
    for name in ("documents.parquet", "rows.parquet"):
        record = Document if name.startswith("d") else Example
        assert read_table(tmp_path / "one" / name, record) == read_table(
            tmp_path / "other" / name, record
        )
    ledgers = [read_ledger(tmp_path / name).entries for name in ("one", "other")]
    assert sorted(map(str, ledgers[0])) == sorted(map(str, ledgers[1]))


@given(
    st.lists(st.text(alphabet="ab \n\x00@.", max_size=12), max_size=12),
    st.lists(
        st.tuples(st.text(alphabet="ab ", max_size=3), st.text(alphabet="ab\x00", max_size=3))
    ),
)
@settings(max_examples=15, deadline=None)
def test_rows_in_are_rows_out_and_in_the_ledger(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], pairs: list[tuple[str, str]]
) -> None:
    documents = [_document(i, t) for i, t in enumerate(["always here", *texts])]
    rows = [_example(i, q, a) for i, (q, a) in enumerate(pairs)]
    folder = tmp_path_factory.mktemp("clean")
    spec = FULL.model_copy(update={"max_refused": 1.0})
    told = _clean(spec, _fill(folder / "in", documents, rows), folder / "out")
    ledger = read_ledger(folder / "out")
    out = sum(told["rows_out"].values())
    assert len(documents) + len(rows) == out + ledger.refused
    assert told["rows_out"]["documents"] == len(
        read_table(folder / "out/documents.parquet", Document)
    )


def test_crowded_searches_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("luthier.data.duplicates.MOST_SURVIVORS", 1)
    alike = " ".join(f"word{n}" for n in range(60))
    texts = [f"{alike} {' '.join(f'own{i}x{n}' for n in range(9))}" for i in range(6)]
    documents = [_document(i, text) for i, text in enumerate(texts)]
    filled = _fill(tmp_path / "in", documents, [_example(0, "Who?", "I.")])
    crowded = find(texts, DuplicatesSpec()).crowded
    assert crowded > 0
    told = _clean(CleanSpec(near_duplicates=NearSpec()), filled, tmp_path / "out")
    assert told["rows_out"]["documents"] == 6
    assert told["crowded"] == {"documents": crowded}
    everywhere = CleanSpec(near_duplicates=NearSpec(judges="all"))
    told = _clean(everywhere, filled, tmp_path / "all")
    assert told["crowded"] == {"documents": crowded, "rows": 0}
    assert "crowded" not in _clean(CleanSpec(), filled, tmp_path / "none")


def test_twins_are_kept_until_rows_leave(tmp_path: Path) -> None:
    pytest.importorskip("cleanlab")
    import numpy as np

    labels = [["arch", "bridge"][i % 2] for i in range(40)]
    labels[4] = "bridge"
    text = "the quick brown fox jumps over the lazy dog and runs away into the dark green forest"
    rows = [
        Example(f"r{i}", (Message("user", f"{i} {text}"), Message("assistant", label)), f"o:{i}",
                f"g{i}", "row", label=label)
        for i, label in enumerate(labels)
    ]  # fmt: skip
    filled = _fill(tmp_path / "in", [], rows)
    near = NearSpec(judges="rows", likeness=DuplicatesSpec(threshold=0.95))
    spec = CleanSpec(near_duplicates=near, max_refused=1.0)
    _clean(spec, filled, tmp_path / "kept")
    left = read_table(tmp_path / "kept/rows.parquet", Example)
    twins = read_twins(tmp_path / "kept", near.likeness)
    assert twins is not None
    assert twins.tolist() == find(map(said, left), near.likeness).standing_for.tolist()

    def encode(texts: Sequence[str]) -> np.ndarray:
        return np.eye(2, 8, dtype=np.float32)[[int(t.split()[0]) % 2 for t in texts]]

    suspects = spec.model_copy(update={"label_errors": LabelErrorsSpec()})
    told = _clean(suspects, filled, tmp_path / "left", encode=encode)
    assert told["reasons"]["suspect label"] == 1
    assert read_twins(tmp_path / "left", near.likeness) is None


def test_shared_lines_are_found_in_all_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "BATCH_ROWS", 2)
    footer = "<b>Call our friendly staff</b>"
    documents = [_document(i, f"Page {i} has its own text.\n{footer}") for i in range(5)]
    spec = CleanSpec.model_validate(
        {"boilerplate": {"shared_by": 5}, "markup": {}, "near_duplicates": None}
    )
    _clean(spec, _fill(tmp_path / "in", documents, []), tmp_path / "out")
    kept = read_table(tmp_path / "out/documents.parquet", Document)
    assert [d.text for d in kept] == [f"Page {i} has its own text." for i in range(5)]


def test_too_many_refusals_are_an_error(collected: Path, tmp_path: Path) -> None:
    spec = CleanSpec(length=LengthSpec(min_words=50), max_refused=0.9)
    with pytest.raises(LeakageError, match="too few words"):
        _clean(spec, collected, tmp_path / "out")
    with pytest.raises(DataError, match="no row is left"):
        _clean(spec.model_copy(update={"max_refused": 1.0}), collected, tmp_path / "none")


def test_named_files_are_read_and_are_part_of_the_digest(
    collected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = CleanSpec(
        pii=PiiSpec(names_file="names.txt", key_env="LUTHIER_TEST_KEY"),
        c4=C4Spec(bad_words_file="bad.txt"),
    )
    with pytest.raises(DataError, match="no such file"):
        plan_of(spec, tmp_path, 0)
    (tmp_path / "names.txt").write_text("Kate\n\n", encoding="utf-8")
    (tmp_path / "bad.txt").write_text("darn\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        plan_of(spec, tmp_path, 0)
    monkeypatch.setenv("LUTHIER_TEST_KEY", "one")
    plan = plan_of(spec, tmp_path, 0)
    assert plan.pii is not None
    assert "Kate" in plan.pii.names
    assert plan.spec.c4 is not None
    assert plan.spec.c4.bad_words == ("darn",)
    digests = {digest_clean(spec, tmp_path)}
    (tmp_path / "names.txt").write_text("Kate\nAnna\n", encoding="utf-8")
    digests.add(digest_clean(spec, tmp_path))
    monkeypatch.setenv("LUTHIER_TEST_KEY", "two")
    digests.add(digest_clean(spec, tmp_path))
    assert len(digests) == 3
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not UTF-8"):
        plan_of(spec, tmp_path, 0)


def test_the_tokenizer_is_found_from_the_project(tmp_path: Path) -> None:
    spec = CleanSpec(length=LengthSpec(max_tokens=5, tokenizer="model"))
    plan = plan_of(spec, tmp_path, 0)
    assert plan.spec.length is not None
    assert plan.spec.length.tokenizer == str((tmp_path / "model").resolve())


def test_boilerplate_spec_is_optional() -> None:
    assert CleanSpec().boilerplate is None
    assert CleanSpec.model_validate({"boilerplate": {}}).boilerplate == BoilerplateSpec()
