"""What of a Spec names an artifact, and what does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
from pydantic import ValidationError

from luthier.core.spec import Spec, digest_file, digest_of, everything, identity, runtime


class Inner(Spec):
    kind: Literal["a"] = "a"
    device: str = runtime("cpu")


class Outer(Spec):
    """Settings."""

    rate: float = 1e-3
    """How fast."""
    inner: Inner = Inner()
    many: tuple[Inner, ...] = (Inner(),)
    workers: int = runtime(1, ge=1)


def test_runtime_fields_stay_out_at_every_depth() -> None:
    other = Inner(device="cuda")
    assert digest_of(Outer()) == digest_of(Outer(workers=4, inner=other, many=(other,)))
    assert identity(Outer()) == {"rate": 1e-3, "inner": {"kind": "a"}, "many": [{"kind": "a"}]}


def test_everything_keeps_them() -> None:
    assert everything({"x": [Outer(workers=4)], "p": Path("a")}) == {
        "x": [
            {
                "rate": 1e-3,
                "inner": {"kind": "a", "device": "cpu"},
                "many": [{"kind": "a", "device": "cpu"}],
                "workers": 4,
            }
        ],
        "p": "a",
    }


def test_numbers_are_in_the_digest() -> None:
    assert digest_of(Outer()) != digest_of(Outer(rate=2e-3))
    assert digest_of(Outer()) != digest_of(Outer(many=()))
    assert digest_of({"a": 1}) != digest_of({"a": "1"})


def test_a_digest_is_the_same_in_every_process_and_order() -> None:
    code = "from luthier.core.spec import digest_of; print(digest_of({'b': [1, 2.5], 'a': 'é'}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == digest_of({"a": "é", "b": (1, 2.5)})


def test_digest_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert digest_file(tmp_path / "a") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_specs_are_strict_frozen_and_documented() -> None:
    with pytest.raises(ValidationError):
        Outer(rate="3")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        Outer(speed=3)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Outer(rate=float("nan"))
    with pytest.raises(ValidationError):
        Outer().rate = 3.0  # type: ignore[misc]
    assert Outer.model_fields["rate"].description == "How fast."
