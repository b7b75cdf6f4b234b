"""What was embedded stays embedded: after a kill, with other texts, on workers."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from luthier.models import embed
from luthier.models.embed import LocalEncoder, Worker, embed_resumably, open_encoder
from luthier.models.embeddings_endpoint import EndpointEncoder, EndpointSpec
from luthier.models.encode import Vectors


class Counting:
    """An encoder that counts what it encodes."""

    dimension, max_tokens, special_tokens = 2, 8, 0

    def __init__(self, digest: str = "d") -> None:
        self.digest, self.seen = digest, 0

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]

    def encode(
        self,
        texts: Sequence[str],
        batch_size: int | None = None,
        advance: Callable[[int], None] | None = None,
    ) -> Vectors:
        self.seen += len(texts)
        return np.array([[len(t), 1] for t in texts], dtype=np.float32)


TEXTS = ["x" * n for n in range(10)]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "PART", 3)


def test_finished_parts_are_read_and_damaged_ones_made_again(tmp_path: Path) -> None:
    heard: list[int] = []
    wanted = embed_resumably(TEXTS, Counting(), tmp_path, advance=heard.append)
    assert wanted[:, 0].tolist() == list(range(10))
    assert heard == [3, 3, 3, 1]
    sorted(tmp_path.iterdir())[0].write_bytes(b"cut off")
    again = Counting()
    np.testing.assert_array_equal(embed_resumably(TEXTS, again, tmp_path), wanted)
    assert again.seen in (1, 3)


def test_other_texts_or_another_encoder_meet_no_old_vectors(tmp_path: Path) -> None:
    embed_resumably(TEXTS, Counting(), tmp_path)
    changed, other = Counting(), Counting("e")
    found = embed_resumably([*TEXTS[:9], "zz"], changed, tmp_path)
    assert changed.seen == 1
    assert found[-1, 0] == 2
    embed_resumably(TEXTS, other, tmp_path)
    assert other.seen == 10


def test_a_killed_call_goes_on_where_it_stopped(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        import test_embed as t
        from luthier.models import embed
        embed.PART = 3
        class Slow(t.Counting):
            def encode(self, texts, batch_size=None, advance=None):
                if texts[0] == "x" * 6:
                    print("there", flush=True)
                    time.sleep(60)
                return super().encode(texts)
        embed.embed_resumably(t.TEXTS, Slow(), Path(sys.argv[1]))
        """
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        process.send_signal(signal.SIGKILL)
    after = Counting()
    assert embed_resumably(TEXTS, after, tmp_path)[:, 0].tolist() == list(range(10))
    assert after.seen == 4


def test_workers_share_what_is_still_to_do(tmp_path: Path, tiny_encoder: Path) -> None:
    spec = LocalEncoder(name=str(tiny_encoder), precision="float32", runtime="torch")
    worker = pickle.loads(pickle.dumps(Worker(spec)))
    here = open_encoder(spec)
    shared = embed_resumably(["text fill", "the"], here, tmp_path, worker=worker, share=map)
    np.testing.assert_allclose(shared, here.encode(["text fill", "the"]), atol=1e-6)


def test_settings_open_a_folder_or_an_endpoint(tiny_encoder: Path) -> None:
    named = LocalEncoder(name=tiny_encoder.name)
    assert open_encoder(named, tiny_encoder.parent).dimension == 16
    endpoint = EndpointSpec(base_url="http://here/v1", model="m", dimension=7)
    found = open_encoder(endpoint)
    assert isinstance(found, EndpointEncoder)
    assert found.dimension == 7


def test_a_worker_of_another_encoder_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not of 2"):
        embed_resumably(
            TEXTS, Counting(), tmp_path, worker=lambda t: np.zeros((len(t), 3), np.float32)
        )
