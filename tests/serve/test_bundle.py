"""A bundle is whole and unchanged, or it is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from serving_fakes import tiny_model

from luthier.core.errors import ServeError, StoreError
from luthier.core.records import Example, Message
from luthier.core.store import Store
from luthier.models.generate import Sampling
from luthier.rag.spec import RagSpec
from luthier.serve import bundle as bundles
from luthier.serve.bundle import (
    BundleInfo,
    Route,
    find_bundle,
    open_bundle,
    read_digest,
    read_questions,
    write_bundle,
)

SHOT = Example("e1", (Message("user", "a"), Message("assistant", "b")), "f:1", "g", "fact")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def info(model: tuple[Path, str]) -> BundleInfo:
    return BundleInfo(
        template=model[1],
        sampling=Sampling(max_new_tokens=7, stop=("\n",)),
        questions=("What does wrap do?", "Wie heißt es?"),
        inputs={"model": "tune-0123"},
        facts={"token_f1": 0.5},
    )


@pytest.fixture
def made(tmp_path: Path, model: tuple[Path, str], info: BundleInfo) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    write_bundle(
        folder, name="docs", route="base", model_folder=model[0], index_folder=None, info=info
    )
    return folder


def test_what_is_opened_is_what_was_written(made: Path, info: BundleInfo) -> None:
    opened = open_bundle(made)
    assert opened.info == info
    assert (opened.name, opened.route, opened.path) == ("docs", "base", made)
    assert opened.digest == read_digest(made)
    assert opened.index_folder is None
    assert (opened.model_folder / "config.json").is_file()
    assert read_questions(made) == info.questions


def test_a_classifier_is_bundled_with_its_encoder_and_without_a_template(
    tmp_path: Path, tiny_encoder: Path, info: BundleInfo
) -> None:
    classifier, folder = tmp_path / "classifier", tmp_path / "labels"
    classifier.mkdir()
    folder.mkdir()
    (classifier / "labels.json").write_text("{}")
    plain = dataclasses.replace(info, template="")

    def write(encoder: Path | None, route: Route) -> None:
        write_bundle(
            folder, name="docs", route=route, model_folder=classifier, index_folder=None,
            info=plain, encoder_folder=encoder,
        )  # fmt: skip

    for encoder, route in ((None, "classifier"), (tiny_encoder, "base")):
        with pytest.raises(ServeError, match="encoder"):
            write(encoder, route)
    write(tiny_encoder, "classifier")
    opened = open_bundle(folder)
    assert (opened.route, opened.info) == ("classifier", plain)
    assert (opened.model_folder / "labels.json").is_file()
    assert (opened.encoder_folder / "tokenizer.json").is_file()
    (opened.encoder_folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ServeError, match=r"encoder/adapter_config.json was not there"):
        open_bundle(folder)


def test_the_same_content_has_the_same_digest(
    tmp_path: Path, model: tuple[Path, str], info: BundleInfo, made: Path
) -> None:
    again = tmp_path / "again"
    again.mkdir()
    summary = write_bundle(
        again, name="docs", route="base", model_folder=model[0], index_folder=None, info=info
    )
    assert summary["digest"] == read_digest(made)
    named = json.loads((again / "bundle.json").read_text())["files"]
    assert summary["files"] == len(named)
    assert "model/config.json" in named
    assert "questions.parquet" in named


def test_a_bundle_may_be_moved_and_outlives_its_model(
    tmp_path: Path, model: tuple[Path, str], info: BundleInfo
) -> None:
    source, folder = tmp_path / "model", tmp_path / "bundle"
    shutil.copytree(model[0], source)
    (source / "manifest.json").write_text("{}")  # the store's, not the model's
    folder.mkdir()
    write_bundle(
        folder, name="docs", route="base", model_folder=source, index_folder=None, info=info
    )
    assert (folder / "model/config.json").stat().st_ino == (source / "config.json").stat().st_ino
    shutil.rmtree(source)
    shutil.move(folder, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere/model/manifest.json").exists()
    assert open_bundle(tmp_path / "elsewhere").name == "docs"


def test_files_are_copied_where_they_cannot_be_linked(
    tmp_path: Path,
    model: tuple[Path, str],
    info: BundleInfo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_link(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_link)
    write_bundle(
        tmp_path, name="docs", route="base", model_folder=model[0], index_folder=None, info=info
    )
    assert (tmp_path / "model/config.json").stat().st_ino != (
        model[0] / "config.json"
    ).stat().st_ino
    assert open_bundle(tmp_path).name == "docs"


def replace(path: Path, content: bytes) -> None:
    path.unlink()  # it is hard-linked: the model's own file must not change
    path.write_bytes(content)


def damage(made: Path) -> None:
    content = bytearray((made / "model/model.safetensors").read_bytes())
    content[-1] ^= 1
    replace(made / "model/model.safetensors", bytes(content))


def lose(made: Path) -> None:
    (made / "questions.parquet").unlink()


def slip_in(made: Path) -> None:
    (made / "model/adapter_config.json").write_text("{}")


def edit(made: Path) -> None:
    text = (made / "bundle.json").read_text()
    (made / "bundle.json").write_text(text.replace('"docs"', '"dogs"'))


def cut(made: Path) -> None:
    (made / "bundle.json").write_text((made / "bundle.json").read_text()[:100])


def age(made: Path) -> None:
    text = (made / "bundle.json").read_text()
    (made / "bundle.json").write_text(text.replace('"version": 1', '"version": 99'))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (damage, "model/model.safetensors is damaged"),
        (lose, "questions.parquet is missing"),
        (slip_in, "model/adapter_config.json was not there"),
        (edit, "not as it was written"),
        (cut, "damaged"),
        (age, "newer Luthier"),
        (shutil.rmtree, "no bundle here"),
    ],
)
def test_a_changed_bundle_is_refused(
    made: Path, change: Callable[[Path], None], message: str
) -> None:
    change(made)
    with pytest.raises(ServeError, match=message):
        open_bundle(made)


def test_a_template_other_than_the_recorded_is_refused(
    tmp_path: Path, model: tuple[Path, str], info: BundleInfo
) -> None:
    other = tmp_path / "other"
    shutil.copytree(model[0], other)
    path = other / "chat_template.jinja"
    path.write_text(path.read_text() + " ")
    folder = tmp_path / "bundle"
    folder.mkdir()
    write_bundle(
        folder, name="docs", route="base", model_folder=other, index_folder=None, info=info
    )
    with pytest.raises(ServeError, match="template renders otherwise"):
        open_bundle(folder)
    assert open_bundle(folder, verify=False).name == "docs"


def test_an_index_and_examples_travel_along(
    tmp_path: Path, model: tuple[Path, str], info: BundleInfo
) -> None:
    index = tmp_path / "index"
    (index / "lance").mkdir(parents=True)
    (index / "lance/data").write_bytes(b"123")
    rag = RagSpec(top_k=7)
    info = BundleInfo(info.template, info.sampling, (), {}, rag=rag)
    (tmp_path / "a").mkdir()
    write_bundle(
        tmp_path / "a", name="d", route="rag", model_folder=model[0], index_folder=index, info=info
    )
    opened = open_bundle(tmp_path / "a")
    assert opened.info.rag == rag
    assert opened.index_folder is not None
    assert (opened.index_folder / "lance/data").read_bytes() == b"123"
    info = BundleInfo(info.template, info.sampling, (), {}, shots=(SHOT,))
    (tmp_path / "b").mkdir()
    write_bundle(
        tmp_path / "b", name="d", route="few-shot", model_folder=model[0], index_folder=None,
        info=info,
    )  # fmt: skip
    assert open_bundle(tmp_path / "b").info.shots == (SHOT,)


@pytest.mark.parametrize(("route", "rag"), [("rag", False), ("base", True), ("few-shot", False)])
def test_parts_that_do_not_belong_together(
    tmp_path: Path, info: BundleInfo, route: Route, *, rag: bool
) -> None:
    info = BundleInfo(info.template, info.sampling, (), {}, rag=RagSpec() if rag else None)
    with pytest.raises(ServeError, match=f"'{route}' needs"):
        write_bundle(
            tmp_path, name="d", route=route, model_folder=tmp_path,
            index_folder=tmp_path if rag else None, info=info,
        )  # fmt: skip


def test_the_latest_bundle_of_a_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(ServeError, match="no bundle yet"):
        find_bundle(store)
    artifact = store.make("bundle", 1, {}, lambda folder: {})
    store.keep(bundles.LATEST, artifact)
    assert find_bundle(store) == artifact.path
    assert find_bundle(store, "bundle-") == artifact.path
    assert find_bundle(store, str(tmp_path)) == tmp_path
    with pytest.raises(StoreError, match="no artifact"):
        find_bundle(store, "nonsense")
