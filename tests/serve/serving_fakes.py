"""What stands in for a model, and a server to ask it through."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn

from luthier.core.journal import Journal
from luthier.core.records import Message, Passage
from luthier.models.generate import Reply, Sampling, Score
from luthier.models.load import ScratchSpec, new, save
from luthier.models.vocabulary import train_vocabulary
from luthier.serve.bundle import Bundle, BundleInfo, Route
from luthier.serve.http import make_app
from luthier.serve.service import Service

PASSAGE = Passage("wrap#0", "wrap", "textwrap.wrap", "Wraps a text.", "textwrap.py:377", 0, 13, 0.9)
OTHER = Passage("fill#0", "fill", "textwrap.fill", "Fills a text.", "textwrap.py:391", 0, 13, 0.4)


class Echo:
    """Says the question's words again, one piece each, as slowly as it is told.

    The words ``BOOM`` makes it fail there; a prompt of more than ``context_length`` words does
    not fit.
    """

    def __init__(self, pause_s: float = 0.0, passages: tuple[Passage, ...] = ()) -> None:
        self.pause_s = pause_s
        self.passages = passages
        self.context_length = 50
        self.samplings: list[Sampling] = []
        self.threads: set[int] = set()
        self.working = 0
        self.most_working = 0
        self.said = 0

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        tools: Sequence[str] = (),
    ) -> list[Reply]:
        """Each conversation's reply."""
        replies = []
        for conversation in conversations:
            replies += [r for r in self.stream(conversation, sampling) if isinstance(r, Reply)]
        return replies

    def stream(
        self, conversation: Sequence[Message], sampling: Sampling, tools: str = ""
    ) -> Iterator[str | Reply]:
        """The question's words, then the reply."""
        self.samplings.append(sampling)
        self.working += 1
        self.most_working = max(self.most_working, self.working)
        try:
            prompt = sum(self.count_tokens(m.content) for m in conversation)
            if prompt > self.context_length:
                yield Reply("", prompt, 0, 0.0, "context")
                return
            words = conversation[-1].content.split()
            pieces = []
            for word in words[: sampling.max_new_tokens]:
                self.threads.add(threading.get_ident())
                time.sleep(self.pause_s)
                if word == "BOOM":
                    raise RuntimeError("a secret of the inside")
                self.said += 1
                pieces.append(f"{word} ")
                yield pieces[-1]
            cut = len(words) > sampling.max_new_tokens
            yield Reply(
                text="".join(pieces),
                prompt_tokens=prompt,
                completion_tokens=len(pieces),
                latency_s=0.0,
                finish_reason="length" if cut else "stop",
                passages=self.passages,
                citations=tuple(p.id for p in self.passages[:1]),
            )
        finally:
            self.working -= 1

    def score(
        self,
        conversations: Sequence[Sequence[Message]],
        references: Sequence[str],
        *,
        tools: Sequence[str] = (),
    ) -> list[Score | None]:
        """No likelihoods."""
        return [None for _ in conversations]

    def count_tokens(self, text: str) -> int:
        """Words."""
        return len(text.split())


def bundle(path: Path, route: Route = "base") -> Bundle:
    """A bundle that was never written: a name and settings."""
    info = BundleInfo(
        template="t" * 64, sampling=Sampling(max_new_tokens=12), questions=("What?",), inputs={}
    )
    return Bundle(path, "docs", route, "b" * 64, "2026-11-22T00:00:00Z", info)


@contextlib.contextmanager
def serving(service: Service, api_key: str | None = None) -> Iterator[str]:
    """A real server on a free port of this machine; yields its address."""
    config = uvicorn.Config(make_app(service, api_key), log_level="critical", access_log=False)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_for(lambda: server.started)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(timeout=20)
            service.journal.close()
    assert not thread.is_alive()


def service(tmp_path: Path, answerer: Echo) -> Service:
    """A service around a fake."""
    return Service(bundle(tmp_path), answerer, Journal(tmp_path / "answers.sqlite"))


def tiny_model(folder: Path) -> tuple[Path, str]:
    """Save a random Llama of a few thousand weights; returns folder and template digest."""
    texts = [PASSAGE.text, OTHER.text, "What does textwrap do? It wraps and fills."] * 20
    tokenizer = train_vocabulary(texts, 330, context_length=256)
    shape = ScratchSpec(
        vocab_size=330,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=256,
    )
    model = new(shape, tokenizer, seed=0)
    save(model, folder)
    return folder, model.renderer.digest


def wait_for(ready: object, limit_s: float = 10.0) -> None:
    """Wait until a condition holds."""
    assert callable(ready)
    end = time.monotonic() + limit_s
    while not ready():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
