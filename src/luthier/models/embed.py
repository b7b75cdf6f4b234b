"""Embed a corpus: what is done stays done, also after kill -9, and workers may share the rest."""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, assert_never

import numpy as np
from pydantic import Discriminator, Tag

from luthier.core.spec import Spec
from luthier.models._body import Precision, Runtime, Vectors
from luthier.models.embeddings_endpoint import EndpointEncoder, EndpointSpec
from luthier.models.encode import Encodes, load_encoder

PART = 512
"""Texts that are written together."""

Share = Callable[
    [Callable[[list[str]], Vectors], Iterable[list[str]]],
    Iterable[Vectors],
]
"""``map``, or what does the same on several workers."""


class LocalEncoder(Spec):
    """An encoder on this machine."""

    kind: Literal["local"] = "local"
    """Tag."""
    name: str = "minilm"
    """``minilm``, or a sentence-transformers folder."""
    precision: Precision = "auto"
    """``auto`` (bfloat16 where the processor has it, else float32), ``float32``, ``bfloat16``, or
    ``int8``, which is faster and costs a little quality."""
    runtime: Runtime = "auto"
    """What computes: ``fused`` (kernels in C), ``onnx`` (ONNX Runtime), ``torch``; ``auto`` takes
    the fastest that is there."""


def _kind(told: Any) -> str:
    """The kind of encoder that settings are about; local where they do not say."""
    kind = told.get("kind", "local") if isinstance(told, dict) else getattr(told, "kind", "local")
    return str(kind)


EncoderSpec = Annotated[
    Annotated[LocalEncoder, Tag("local")] | Annotated[EndpointSpec, Tag("openai")],
    Discriminator(_kind),
]


def open_encoder(spec: LocalEncoder | EndpointSpec, base: Path = Path()) -> Encodes:
    """The encoder that settings name.

    Args:
        spec: A folder, or an endpoint.
        base: Folder that a relative name starts from (the project file's).

    Raises:
        ModelError: See ``encode.load_encoder``.
        ResourceError: Likewise.
    """
    match spec:
        case LocalEncoder():
            name = spec.name if spec.name == "minilm" else str(base / Path(spec.name).expanduser())
            return load_encoder(name, precision=spec.precision, runtime=spec.runtime)
        case EndpointSpec():
            return EndpointEncoder(spec)
        case _:
            assert_never(spec)


class Worker:
    """Encodes lists of texts; picklable, so that other processes can open the encoder themselves.

    Args:
        spec: The encoder.
        base: See `open_encoder`.
    """

    def __init__(self, spec: LocalEncoder | EndpointSpec, base: Path = Path()) -> None:
        self.spec, self.base = spec, base.resolve()

    def __call__(self, texts: list[str]) -> Vectors:
        """Vectors of some texts."""
        return _opened(self.spec.model_dump_json(), type(self.spec), self.base).encode(texts)


@functools.lru_cache(maxsize=2)  # one worker embeds many parts
def _opened(told: str, kind: Any, base: Path) -> Encodes:
    return open_encoder(kind.model_validate_json(told), base)


def embed_resumably(
    texts: Sequence[str],
    encoder: Encodes,
    draft: Path,
    *,
    advance: Callable[[int], None] | None = None,
    worker: Callable[[list[str]], Vectors] | None = None,
    share: Share = map,
) -> Vectors:
    """Vectors of all texts; parts that an earlier call finished are read and not computed.

    Each part of 512 texts becomes one file in ``draft``, named by the encoder and by the texts, and
    put there whole: a killed call loses at most the part it was at, and changed texts or another
    encoder never meet old vectors. The caller removes ``draft`` when the vectors are where they
    belong.

    Args:
        texts: What to encode.
        encoder: Encodes here, and names the vectors.
        draft: A folder for the parts; made if need be.
        advance: Called with the number of texts after each part.
        worker: Encodes on the workers; by default ``encoder`` itself, here. See `Worker`.
        share: Applies the worker to the parts still to do, in order: ``map``, or
            ``data.batches.map_batches`` on processes or a Ray cluster.

    Returns:
        float32 [texts, dimension].
    """
    draft.mkdir(parents=True, exist_ok=True)
    found = np.zeros((len(texts), encoder.dimension), dtype=np.float32)
    parts = [list(texts[i : i + PART]) for i in range(0, len(texts), PART)]
    paths = [draft / f"{_name(part, encoder.digest)}.npy" for part in parts]
    todo = []
    for number, path in enumerate(paths):
        done = _read(path, (len(parts[number]), encoder.dimension))
        if done is None:
            todo.append(number)
            continue
        found[number * PART : number * PART + len(done)] = done
        if advance is not None:
            advance(len(done))
    made = share(worker or encoder.encode, (parts[number] for number in todo))
    for number, vectors in zip(todo, _checked(made, encoder.dimension), strict=True):
        _write(paths[number], vectors)
        found[number * PART : number * PART + len(vectors)] = vectors
        if advance is not None:
            advance(len(vectors))
    return found


def _checked(made: Iterable[Vectors], dimension: int) -> Iterator[Vectors]:
    for vectors in made:
        if vectors.ndim != 2 or vectors.shape[1] != dimension:
            raise ValueError(f"a worker made vectors of shape {vectors.shape}, not of {dimension}")
        yield vectors


def _name(texts: Sequence[str], digest: str) -> str:
    told = hashlib.sha256(digest.encode())
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        told.update(len(raw).to_bytes(8, "little") + raw)
    return told.hexdigest()[:32]


def _read(path: Path, shape: tuple[int, int]) -> Vectors | None:
    """A part that is whole, else None."""
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == shape and found.dtype == np.float32 else None


def _write(path: Path, vectors: Vectors) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        np.save(file, vectors)
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, path)
