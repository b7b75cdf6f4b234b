"""The projects in examples/data do what docs/data/examples.md says of them."""

from __future__ import annotations

import itertools
import json
import os
import runpy
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from luthier import config, pipeline
from luthier.cli.main import main
from luthier.core import secrets
from luthier.core.progress import Quiet
from luthier.core.store import Artifact

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"
PROJECTS = sorted(EXAMPLES.glob("*/*.yaml"))
PUBLIC = {"clinc150": "clinc150", "trec6": "trec6", "gsm8k": "gsm8k", "xquad": "xquad_en"}


def artifacts(
    folder: Path, until: pipeline.Stop, *sets: str, file: str = "luthier.yaml"
) -> dict[str, Artifact]:
    project = config.load(folder / file, sets)
    return pipeline.run(project, folder, Quiet(), until=until).artifacts


def told(artifact: Artifact, key: str) -> Any:
    return artifact.summary[key]


def refused(artifact: Artifact) -> list[dict[str, str]]:
    ledger = pq.read_table(artifact.path / "ledger.parquet").to_pylist()
    return [line for line in ledger if line["action"] == "refused"]


@pytest.mark.parametrize("path", PROJECTS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_every_project_file_is_valid_and_names_no_place_outside(path: Path) -> None:
    config.load(path)
    assert "/home" not in path.read_text(encoding="utf-8")
    assert ".." not in path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of text messages, with what Anna, Bert and the adjudicator said."""
    folder = tmp_path_factory.mktemp("examples") / "sms"
    shutil.copytree(
        EXAMPLES / "sms", folder, ignore=shutil.ignore_patterns(".luthier", "annotation")
    )
    files = [str(folder / "people" / f"{name}.csv") for name in ("anna", "bert", "adjudicator")]
    project = ["--project", str(folder / "luthier.yaml")]
    done = CliRunner().invoke(main, ["data", "tasks", "import", *files, *project])
    assert done.exit_code == 0, done.output
    assert "86 rows, 84 new labels, 1 still open" in done.output
    assert "unknown label (wanted)" in done.output
    return folder


@pytest.fixture(scope="module")
def made(sms: Path) -> dict[str, Artifact]:
    return artifacts(sms, "profile")


def test_broken_messages_are_told_apart(made: dict[str, Artifact]) -> None:
    assert told(made["collect"], "reasons") == {
        "missing value": 3,
        "wrong number of columns": 2,
        "bytes that are not text": 1,
    }
    assert told(made["collect"], "changed") == {"missing value filled": 44}


def test_messages_are_repaired_masked_and_sifted(made: dict[str, Artifact]) -> None:
    clean = made["clean"]
    reasons = told(clean, "reasons")
    assert reasons["exact duplicate"] == 3
    assert reasons["near-duplicate"] == 8
    assert {r for r in reasons if r.startswith(("personal", "harmful"))} == {
        "personal data: iban",
        "personal data: card",
        "harmful: threat",
    }
    assert told(clean, "changed")["encoding repaired"] == 1
    said = "\n".join(
        turn["content"]
        for row in pq.read_table(clean.path / "rows.parquet").to_pylist()
        for turn in row["messages"]
    )
    texts = said + "\n".join(pq.read_table(clean.path / "documents.parquet")["text"].to_pylist())
    assert "07700 900482" not in texts
    assert "priya.nair" not in texts
    assert "hello@example.com" in texts, "an address that is nobody's"
    assert "café" in texts


@pytest.mark.parametrize("step", ["clean", "annotate"])
def test_no_message_is_lost(made: dict[str, Artifact], step: str) -> None:
    before = {"clean": "collect", "annotate": "clean"}[step]
    count = {
        name: sum(
            pq.read_metadata(made[name].path / f"{table}.parquet").num_rows
            for table in ("rows", "documents")
        )
        for name in (before, step)
    }
    assert count[before] == count[step] + len(refused(made[step]))


def test_people_decide_and_every_message_has_a_label(made: dict[str, Artifact]) -> None:
    assert told(made["annotate"], "labelled") == {"people": 86, "source": 167}
    assert told(made["annotate"], "labels") == {"ham": 219, "spam": 34}


def test_only_training_rows_are_varied(made: dict[str, Artifact]) -> None:
    rows = pq.read_table(made["augment"].path / "examples.parquet").to_pylist()
    varied = [row for row in rows if row["parent"]]
    assert varied
    assert {row["side"] for row in varied} == {"train"}
    assert {row["label"] for row in varied} == {"spam"}
    assert (made["balance"].path / "losses.json").exists()


def test_the_page_judges_all_points(made: dict[str, Artifact]) -> None:
    lights = json.loads((made["readiness"].path / "readiness.json").read_text())["lights"]
    colours = {light["name"]: light["colour"] for light in lights}
    assert len(colours) == 17
    assert colours["size"] == "yellow"
    assert colours["personal data"] == "green"
    assert colours["label agreement"] == "yellow"
    assert (made["readiness"].path / "readiness.html").stat().st_size > 1000


@pytest.mark.parametrize(
    ("technique", "after"),
    [("{kind: over_sample}", 1.0), ("{kind: under_sample, ratio: 0.5}", 2.0)],
)
def test_classes_are_evened_out(
    sms: Path, made: dict[str, Artifact], technique: str, after: float
) -> None:
    assert made
    sets = ("data.augment=null", f"data.balance.techniques=[{technique}]")
    balanced = artifacts(sms, "balance", *sets)["balance"]
    assert told(balanced, "imbalance_before") > 5
    assert told(balanced, "imbalance_after") == after


def test_every_format_is_read(sms: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sms)
    monkeypatch.setenv("SMS_DB", "phone")
    monkeypatch.setattr(secrets, "_revealed", set())  # no later test has it masked
    runpy.run_path("formats.py")
    found = artifacts(sms, "collect", file="formats.yaml")["collect"]
    assert told(found, "rows") == 26
    assert told(found, "refused") == 0


# The public data sets.


@pytest.fixture
def public(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a project whose data set is there."""
    name = request.param
    root = os.environ.get("LUTHIER_DATA")
    source = Path(root) / PUBLIC[name] if root else None
    if source is None or not source.is_dir():
        pytest.skip(f"needs the data set {name}: name its parent folder in LUTHIER_DATA")
    folder = tmp_path / name
    ours = shutil.ignore_patterns(".luthier", "data", "pages", "dialects")
    shutil.copytree(EXAMPLES / name, folder, ignore=ours)
    (folder / "data").symlink_to(source)
    if name == "gsm8k":
        with (source / "train.jsonl").open(encoding="utf-8") as lines:
            (folder / "first.jsonl").write_text("".join(itertools.islice(lines, 500)), "utf-8")
    return folder


@pytest.mark.parametrize("public", PUBLIC, indirect=True)
def test_public_sets_are_split(public: Path) -> None:
    found = artifacts(public, "split")["prepare"]
    sides = told(found, "sides")
    assert sum(sides["train"].values()) > sum(sides["test"].values()) > 10


@pytest.mark.parametrize("public", ["clinc150"], indirect=True)
def test_the_two_test_texts_in_the_training_set_are_found(
    public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(public)
    runpy.run_path("published.py")
    train = "{kind: json, path: data/data_full.json, records: train, columns: [text, label]}"
    sets = (
        f"data.sources=[{train}]",
        "data.clean={decontaminate: {files: [test.jsonl], min_words: 4}}",
    )
    found = {
        line["origin"]: line["detail"]
        for line in refused(artifacts(public, "clean", *sets)["clean"])
    }
    assert found["data/data_full.json:train[12066]"] == "what s your designation"
    assert found["data/data_full.json:train[14018]"] == "where did you grow up"


@pytest.mark.parametrize("public", ["gsm8k"], indirect=True)
def test_ten_dialects_are_recognised(public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(public)
    runpy.run_path("dialects.py")
    found = artifacts(public, "collect", file="dialects.yaml")["collect"]
    assert (told(found, "documents"), told(found, "rows")) == (20, 180)
