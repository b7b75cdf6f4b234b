"""Answers conversations from a bundle, one at a time, and logs every one of them.

The same ``Service`` stands behind the HTTP server and ``luthier chat``; a test gives it whatever
speaks ``Generate``.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from luthier.core.errors import ServeError
from luthier.core.journal import AnswerRecord, Journal, LoggedPassage, now
from luthier.core.records import Message
from luthier.models.generate import Generate, Reply, Sampling
from luthier.rag.access import ANYONE, Viewer
from luthier.rag.answer import RagAnswerer
from luthier.rag.audit import FILE_NAME as AUDIT_FILE
from luthier.rag.extract import ExtractiveAnswerer
from luthier.serve.bundle import Bundle


class Service:
    """Answers from one bundle.

    Args:
        bundle: Named in every line of the log.
        answerer: What answers: the bundle's model, its route around it.
        journal: Where answers are logged.
    """

    def __init__(self, bundle: Bundle, answerer: Generate, journal: Journal) -> None:
        self.bundle = bundle
        self.answerer = answerer
        self.journal = journal
        self._model = threading.Lock()  # one answer at a time: the model has one cache

    def answer(
        self, conversation: Sequence[Message], sampling: Sampling | None = None
    ) -> AnswerRecord:
        """Answer a conversation, log it, and return the logged line.

        Args:
            conversation: All turns, the last of the user.
            sampling: None for the bundle's own.
        """
        for item in self.stream(conversation, sampling):
            if isinstance(item, AnswerRecord):
                return item
        raise AssertionError("an answer ended without its record: a defect of Luthier")

    def stream(
        self,
        conversation: Sequence[Message],
        sampling: Sampling | None = None,
        answer_id: str | None = None,
        *,
        tools: str = "",
        viewer: Viewer = ANYONE,
    ) -> Generator[str | AnswerRecord, None, None]:
        """Answer piece by piece; the last item is the logged line.

        Args:
            conversation: All turns, the last of the user or of a tool.
            sampling: None for the bundle's own.
            answer_id: From ``new_id``, where the id must be known before the answer is.
            tools: Those on offer, a JSON list as OpenAI's API takes it, or "".
            viewer: Who asks: documents that this viewer may not see are not looked at.

        Closing the iterator before its end stops the model; what was said so far is logged as
        ``abandoned``. An error of the model is logged as ``error`` and raised. All steps should
        be taken in one thread: PyTorch keeps some of its state by thread.
        """
        sampling = sampling or self.bundle.info.sampling
        with self._model:
            began, at = time.perf_counter(), now()
            first: float | None = None
            said: list[str] = []
            reply: Reply | None = None
            ending = "error"
            pieces = self._seen_by(viewer).stream(conversation, sampling, tools)
            try:
                for piece in pieces:
                    if isinstance(piece, Reply):
                        reply = piece
                        continue
                    if first is None and piece:
                        first = time.perf_counter() - began
                    said.append(piece)
                    yield piece
                if reply is None:
                    raise AssertionError("a stream ended without its reply: a defect of Luthier")
                ending = "tool_calls" if reply.tool_calls else reply.finish_reason
            except (GeneratorExit, KeyboardInterrupt):
                ending = "abandoned"
                raise
            finally:
                if isinstance(pieces, Generator):
                    pieces.close()  # before another answer may begin
                record = self._record(
                    answer_id or new_id(),
                    conversation,
                    _unfinished("".join(said), self.answerer) if reply is None else reply,
                    ending,
                    at=at,
                    latency_s=time.perf_counter() - began,
                    first_token_s=first,
                    tools=tools,
                )
                self.journal.append(record)
        yield record

    @property
    def abstention(self) -> str:
        """Whether it knows when the documents do not answer, in a sentence; "" without documents.

        Also "" where it is switched off.
        """
        if not isinstance(self.answerer, RagAnswerer | ExtractiveAnswerer):
            return ""
        care = self.answerer.care
        return "" if care.abstention is None else care.abstention.told

    def _seen_by(self, viewer: Viewer) -> Generate:
        """The answerer as it answers a viewer; routes without documents know none."""
        if isinstance(self.answerer, RagAnswerer | ExtractiveAnswerer):
            return self.answerer.seen_by(viewer)
        return self.answerer

    def _record(
        self,
        answer_id: str,
        conversation: Sequence[Message],
        reply: Reply,
        ending: str,
        *,
        at: str,
        latency_s: float,
        first_token_s: float | None,
        tools: str,
    ) -> AnswerRecord:
        passages = (LoggedPassage(p.id, p.title, p.origin, p.score) for p in reply.passages)
        return AnswerRecord(
            id=answer_id,
            at=at,
            bundle=self.bundle.digest,
            route=self.bundle.route,
            model=self.bundle.name,
            conversation=tuple(conversation),
            answer=reply.text,
            passages=tuple(passages),
            citations=tuple(reply.citations),
            latency_s=latency_s,
            first_token_s=first_token_s,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            finish_reason=ending,
            tools=tools,
            tool_calls=reply.tool_calls,
        )


def new_id() -> str:
    """A fresh answer id: ``ans-`` and 64 random bits."""
    return f"ans-{secrets.token_hex(8)}"


def open_service(
    bundle: Bundle, journal: Journal, *, device: str | None = None, index: Path | None = None
) -> Service:
    """Load a bundle's model and put its route around it.

    Args:
        bundle: What to answer with.
        journal: Where answers are logged.
        device: ``cpu``, ``cuda`` or ``cuda:N``; None for the GPU if there is one.
        index: A living index in place of the bundle's own; its new versions are taken up.

    Raises:
        ModelError: The model cannot be loaded.
        ServeError: An index is given to a route that retrieves nothing.
        StoreError: The index cannot be read.
    """
    import torch

    from luthier.evaluate.routes import answerer

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if index is not None and bundle.index_folder is None:
        raise ServeError(
            f"the bundle's route '{bundle.route}' retrieves nothing, so no index can serve it",
            where=bundle.name,
            mend="Set `serve.route` to a route with rag and run, or serve without an index.",
        )
    model: Generate | None = None
    if bundle.route != "extractive":
        model = (_labels if bundle.route == "classifier" else _model)(bundle, device)
    route = answerer(
        bundle.route,
        model,
        shots=bundle.info.shots,
        index_folder=index or bundle.index_folder,
        rag=bundle.info.rag,
        audit=journal.path.parent / AUDIT_FILE,
    )
    return Service(bundle, route, journal)


def _model(bundle: Bundle, device: str) -> Generate:
    from luthier.evaluate.labels import gives_labels, open_tuned
    from luthier.models.generate import LocalModel
    from luthier.models.load import load

    info = bundle.info
    how: dict[str, Any] = {
        "device": device,
        "precision": info.precision,
        "quantisation": info.quantisation,
    }
    if gives_labels(bundle.model_folder):
        return open_tuned(bundle.model_folder, **how)
    return LocalModel(load(bundle.model_folder, **how))


def _labels(bundle: Bundle, device: str) -> Generate:
    from luthier.evaluate.labels import open_labels
    from luthier.models.encode import load_encoder

    encoder = load_encoder(str(bundle.encoder_folder), device=device)
    encoder.encode(["ready"])  # loads its network now, not at the first question
    return open_labels(bundle.model_folder, encoder)


def _unfinished(text: str, answerer: Generate) -> Reply:
    """What is known of an answer that was broken off; its prompt's tokens were not reported."""
    return Reply(
        text=text,
        prompt_tokens=0,
        completion_tokens=answerer.count_tokens(text) if text else 0,
        latency_s=0.0,
        finish_reason="stop",
    )
