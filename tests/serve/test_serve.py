"""`luthier serve` as a process: from a bundle on disk to an answer, and out again."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from serving_fakes import tiny_model

from luthier.core.errors import ServeError
from luthier.core.journal import Journal
from luthier.core.progress import Quiet
from luthier.core.records import Document, Message
from luthier.core.spec import identity
from luthier.models.generate import Sampling
from luthier.rag import live
from luthier.rag.index import build
from luthier.rag.spec import RagSpec
from luthier.serve.bundle import BundleInfo, open_bundle, write_bundle
from luthier.serve.serve import ServeSpec, serve
from luthier.serve.service import open_service

SPEC = RagSpec(retriever="bm25", top_k=2, context_tokens=60)
DOCUMENTS = [
    Document("wrap", "textwrap.wrap", "Wraps a text to a width.", "textwrap.py:377", "f", "a"),
    Document("fill", "textwrap.fill", "Fills a text with lines.", "textwrap.py:391", "f", "a"),
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a tiny random model and a real index."""
    model, template = tiny_model(tmp_path_factory.mktemp("model"))
    index = tmp_path_factory.mktemp("index")
    build(SPEC, DOCUMENTS, index, Quiet())
    folder = tmp_path_factory.mktemp("bundle")
    sampling = Sampling(max_new_tokens=8)
    info = BundleInfo(template, sampling, ("What does wrap do?",), {}, rag=SPEC)
    write_bundle(
        folder, name="docs", route="rag", model_folder=model, index_folder=index, info=info
    )
    return folder


@pytest.fixture
def server(bundle: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
    """The program in a process of its own, its address, and its log."""
    code = (
        "import sys; from pathlib import Path\n"
        "from luthier.core.progress import Terminal\n"
        "from luthier.serve.serve import ServeSpec, serve\n"
        "serve(Path(sys.argv[1]), ServeSpec(port=0), journal=Path(sys.argv[2]),"
        " progress=Terminal())\n"
    )
    log = tmp_path / "answers.sqlite"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(bundle), str(log)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LUTHIER_API_KEY": "key"},
    )
    assert process.stderr is not None
    line = next((one for one in process.stderr if " answers at " in one), "")
    try:
        assert line.startswith("docs (rag) answers at http://127.0.0.1:"), line
        yield process, line.split()[-1], log
    finally:
        process.kill()
        process.communicate()


def test_from_a_bundle_to_a_traced_answer_and_a_clean_end(
    server: tuple[subprocess.Popen[str], str, Path], bundle: Path
) -> None:
    process, place, log = server
    with openai.OpenAI(base_url=place, api_key="key", max_retries=0, timeout=60) as client:
        question = "What does textwrap.wrap do?"
        whole = client.chat.completions.create(
            model="docs", messages=[{"role": "user", "content": question}]
        )
        passages = whole.luthier["passages"]  # type: ignore[attr-defined]
        assert passages[0]["origin"] == "textwrap.py:377"
        assert whole.usage is not None
        assert whole.usage.prompt_tokens > 40  # the passages are in it
        pieces: list[str] = []
        for chunk in client.chat.completions.create(
            model="docs", messages=[{"role": "user", "content": question}], stream=True
        ):
            pieces.append(chunk.choices[0].delta.content or "")
            if len(pieces) == 2:  # told to end within an answer
                process.send_signal(signal.SIGTERM)
        assert "".join(pieces).strip() == whole.choices[0].message.content
    assert process.wait(timeout=20) == -signal.SIGTERM
    logged = Journal(log).records()
    assert [r.finish_reason for r in logged] == [whole.choices[0].finish_reason] * 2
    assert logged[0].id == whole.id
    assert logged[0].bundle == open_bundle(bundle).digest


def test_the_service_says_what_the_answerer_says(bundle: Path, tmp_path: Path) -> None:
    service = open_service(open_bundle(bundle), Journal(tmp_path / "log.sqlite"))
    asked = [Message("user", "What does textwrap.fill do?")]
    record = service.answer(asked)
    (reply,) = service.answerer.generate([asked], Sampling(max_new_tokens=8))
    assert record.answer == reply.text
    assert [p.id for p in record.passages] == [p.id for p in reply.passages]
    assert (record.prompt_tokens, record.citations) == (reply.prompt_tokens, reply.citations)


def test_a_taken_port_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=f"127.0.0.1:{port}.*in use") as caught:
            serve(tmp_path, ServeSpec(port=port), journal=tmp_path / "log", progress=Quiet())
    assert caught.value.exit_code == 9
    assert "--port" in caught.value.mend


def test_a_refused_bundle_frees_the_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for _ in range(2):
        with pytest.raises(ServeError, match="no bundle here"):
            serve(tmp_path, ServeSpec(port=port), journal=tmp_path / "log", progress=Quiet())


def test_host_and_port_do_not_name_a_bundle() -> None:
    assert identity(ServeSpec(host="::1", port=1)) == identity(ServeSpec())
    assert identity(ServeSpec(max_new_tokens=1)) != identity(ServeSpec())


def test_a_living_index_is_followed_while_it_is_served(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    live.sync(SPEC, DOCUMENTS[:1], folder, Quiet())
    log = Journal(tmp_path / "log.sqlite")
    service = open_service(open_bundle(bundle), log, index=folder)
    asked = [Message("user", "Where do quokkas live?")]
    assert "new" not in {p.id.split("#")[0] for p in service.answer(asked).passages}
    fresh = dataclasses.replace(DOCUMENTS[0], id="new", text="Quokkas live on Rottnest.")
    live.sync(SPEC, [DOCUMENTS[0], fresh], folder, Quiet())
    assert "new" in {p.id.split("#")[0] for p in service.answer(asked).passages}
