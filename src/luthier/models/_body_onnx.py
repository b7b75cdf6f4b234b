"""BERT computed by ONNX Runtime, from a graph that is written once and kept in the user's cache."""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from luthier.core.errors import ModelError
from luthier.core.spec import digest_file
from luthier.models import _onnx_bert
from luthier.models._body import Ids, Pooling, Vectors, load_body, missing, padded


class OnnxBody:
    """See ``_body.Body``; the graph is written, and loaded, when it is first needed.

    Args:
        folder: A BERT's folder.
        precision: ``int8`` computes the matrix products in 8 bits; vectors then depend a little on
            what else is in the batch, since its range is shared.

    Raises:
        ResourceError: ONNX Runtime is not installed.
    """

    batch_tokens = 1024

    def __init__(self, folder: Path, precision: Literal["float32", "int8"]) -> None:
        try:
            onnxruntime: Any = importlib.import_module("onnxruntime")
        except ImportError as error:
            raise missing("onnxruntime", "encoder.runtime") from error
        self._folder, self._precision, self._onnx = folder, precision, onnxruntime
        self._sessions: dict[Pooling, Any] = {}
        self.told = f"ONNX Runtime {onnxruntime.__version__}, {precision}"

    def pooled(self, ids: Ids, pooling: Pooling, kinds: Ids | None = None) -> Vectors:
        """See ``_body.Body``."""
        session = self._sessions.get(pooling)
        if session is None:
            session = self._sessions[pooling] = self._open(pooling)
        tokens = padded(ids, 0).astype(np.int32)
        lengths = np.array([len(one) for one in ids])
        mask = (np.arange(tokens.shape[1]) < lengths[:, None]).astype(np.int32)
        both = np.zeros_like(tokens) if kinds is None else padded(kinds, 0).astype(np.int32)
        found: Vectors = session.run(None, {"ids": tokens, "kinds": both, "mask": mask})[0]
        return found

    def _open(self, pooling: Pooling) -> Any:
        options = self._onnx.SessionOptions()
        options.intra_op_num_threads = threads()
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = self._written(pooling)
        try:
            return self._onnx.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions share no base but this
            raise ModelError(
                f"ONNX Runtime cannot open this graph: {error}",
                where=str(path),
                mend="Delete the file, and it is written anew.",
            ) from error

    def _written(self, pooling: Pooling) -> Path:
        """The graph's file; it is whole where it exists."""
        told = [self._digest, self._precision, pooling, str(_onnx_bert.GRAPH_VERSION)]
        name = hashlib.sha256(" ".join(told).encode()).hexdigest()[:24]
        path = cache() / f"encoder-{name}.onnx"
        if path.is_file():
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        network = load_body(self._folder, "float32")
        with tempfile.TemporaryDirectory(dir=path.parent) as draft:
            made = Path(draft) / path.name
            _onnx_bert.write(network, made, self._precision, pooling)
            os.replace(made, path)
        return path

    @functools.cached_property
    def _digest(self) -> str:
        files = [self._folder / "config.json", *sorted(self._folder.glob("*.safetensors"))]
        return " ".join(digest_file(path) for path in files)


def cache() -> Path:
    """Where graphs are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "luthier"


def threads() -> int:
    """Threads to compute with: what ``OMP_NUM_THREADS`` says, else the cores we may use."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() and int(told) > 0 else len(os.sched_getaffinity(0))
