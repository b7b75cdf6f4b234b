"""Several adapters on one base: listed, switched, weighted, merged into one, folded in."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from luthier.core.errors import TuneError
from luthier.models import adapter

if TYPE_CHECKING:
    from torch import Tensor

    from luthier.models.load import Model
    from luthier.setup.plan import Precision

How = Literal[
    "cat",
    "svd",
    "linear",
    "ties",
    "ties_svd",
    "dare_linear",
    "dare_linear_svd",
    "dare_ties",
    "dare_ties_svd",
    "magnitude_prune",
    "magnitude_prune_svd",
]
"""PEFT's names. ``cat`` is the weighted sum itself, at the sum of the ranks; ``svd`` the nearest to
it of one rank. ``linear`` adds A to A and B to B, which is not the sum of the products. ``ties``
(Yadav et al. 2023), ``dare`` (Yu et al. 2024) and ``magnitude_prune`` drop all but a share of each
update first; with ``_svd`` they do so on the update itself, without on A and B apart."""

NEW = "merged"


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """An adapter folder.

    Attributes:
        path: The folder.
        kind: ``lora``, ``lora+dora``, ``ia3``, ``prefix``, ``prompt``, ``bottleneck`` ...
        size: Rank, virtual tokens or bottleneck size; None where there is no such number.
        weights: How many it holds.
        size_bytes: Of its weights on disk.
        base: The model it was trained on, as its config names it.
    """

    path: Path
    kind: str
    size: int | None
    weights: int
    size_bytes: int
    base: str


def find(folder: Path) -> Iterator[Found]:
    """Adapters in a folder and in those below it, by path.

    Raises:
        ModelError: One of them cannot be read.
    """
    from safetensors import safe_open

    for path in sorted(folder.rglob(adapter.CONFIG)):
        own = path.parent
        config = adapter.read_config(own)
        with safe_open(own / adapter.WEIGHTS, framework="numpy") as tensors:
            shapes = [tensors.get_slice(key).get_shape() for key in tensors.keys()]  # noqa: SIM118
        sizes = (config.get(key) for key in ("r", "num_virtual_tokens", "bottleneck_size"))
        yield Found(
            own,
            adapter.kind(config),
            next((int(size) for size in sizes if size), None),
            sum(_product(shape) for shape in shapes),
            (own / adapter.WEIGHTS).stat().st_size,
            str(config.get("base_model_name_or_path") or "?"),
        )


def put_all(network: Any, folders: Mapping[str, Path]) -> Any:
    """Put several adapters on one base; the first is switched on.

    Args:
        network: The base.
        folders: Adapters by the names they shall have.

    Raises:
        ModelError: One does not fit, or cannot share the base with another.
    """
    for name, folder in folders.items():
        network = adapter.put(network, folder, name=name)
    activate(network, {next(iter(folders)): 1.0})
    return network


def activate(network: Any, weights: Mapping[str, float]) -> None:
    """Switch to these adapters, each with a weight; their updates are added up.

    Args:
        network: From ``put_all``.
        weights: By name; with one name and 1.0 the network answers as with that adapter alone.

    Raises:
        TuneError: A name is not there, or weights are asked of adapters that have none.
    """
    there = getattr(network, "peft_config", {})
    if unknown := [name for name in weights if name not in there]:
        raise TuneError(
            f"no adapter '{unknown[0]}' is on this model", mend=f"On it: {list(there)}."
        )
    kinds = {str(there[name].peft_type.value) for name in weights}
    plain = len(weights) == 1 and set(weights.values()) == {1.0}
    if not plain and kinds != {"LORA"}:
        raise TuneError(
            f"adapters of kind {', '.join(sorted(kinds)).lower()} can be switched, not weighted",
            mend="Give one name with the weight 1.",
        )
    if plain:
        network.set_adapter(next(iter(weights)))
    else:
        network.base_model.set_adapter(list(weights))
    for module in network.modules() if kinds == {"LORA"} else ():
        for name in weights if hasattr(module, "set_scale") else ():
            module.set_scale(name, weights[name])
    network.requires_grad_(False)


def merge(
    base: Path,
    adapters: Sequence[Path],
    weights: Sequence[float],
    out: Path,
    *,
    how: How = "cat",
    rank: int | None = None,
    density: float = 0.5,
    seed: int = 0,
) -> dict[str, Any]:
    """Make one adapter of several.

    Args:
        base: The folder of the model they belong to.
        adapters: Their folders: LoRA (not DoRA) of any rank, or IA3 with ``linear``.
        weights: One for each; negative ones subtract.
        out: The new adapter's folder.
        how: See ``How``.
        rank: Of the new adapter with ``svd``; default the largest of the adapters'.
        density: Share of each update that is kept by ``ties``, ``dare`` and ``magnitude_prune``.
        seed: Of what ``dare`` drops.

    Returns:
        kind, rank, and ``apart``: how far the new update lies from the weighted sum, as a share of
        the sum's length (root of the summed squares over all matrices).

    Raises:
        TuneError: Adapters that cannot be merged.
        ModelError: A folder cannot be read, or an adapter does not fit the base.
    """
    from luthier.models.load import load_network

    if len(adapters) < 2 or len(weights) != len(adapters):
        raise TuneError(
            f"{len(adapters)} adapters and {len(weights)} weights",
            mend="Name at least two adapters, and one weight for each.",
        )
    kinds = {adapter.kind(adapter.read_config(folder)) for folder in adapters}
    _check_kinds(kinds, how)
    names = [f"a{number}" for number in range(len(adapters))]
    network = load_network(base).network
    for name, folder in zip(names, adapters, strict=True):
        network = adapter.put(network, folder, name=name)
    _check_rank(network, rank)
    _add_weighted(network, names, weights, how, rank, density, seed)
    apart = _apart(network, dict(zip(names, weights, strict=True)))
    network.set_adapter(NEW)
    _save_new(network, out)
    found = next(find(out))
    return {"kind": found.kind, "rank": found.size, "weights": found.weights, "apart": apart}


def fold(base: Path, folder: Path, out: Path, *, precision: Precision = "float32") -> Model:
    """Fold an adapter into its base and write the result as a model folder.

    Args:
        base: The folder of the model it belongs to.
        folder: The adapter's.
        out: Gets weights, tokenizer and template.
        precision: Of the folded weights.

    Raises:
        TuneError: It is of a kind that cannot be folded in, or the answers would differ.
        ModelError: A folder cannot be read, or the adapter does not fit the base.
    """
    from luthier.models.load import load_network, save
    from luthier.tune.methods import merged

    kind = adapter.kind(adapter.read_config(folder))
    model = load_network(base, precision=precision, adapter=folder)
    if not adapter.mergeable(model.network):
        raise TuneError(
            f"an adapter of kind {kind} cannot be folded into weights",
            where=str(folder),
            mend="Put it into the model's folder as `adapter/`: it is then loaded with it.",
        )
    model.network = merged(model.network)
    save(model, out)
    return model


def _check_kinds(kinds: set[str], how: How) -> None:
    if any("dora" in kind for kind in kinds):
        raise TuneError("the lengths that DoRA adapters learned do not add up")
    if kinds == {"ia3"} and how == "linear":
        return
    if not kinds <= {"lora", "lora+rslora"}:
        raise TuneError(
            f"adapters of kind {', '.join(sorted(kinds))} cannot be merged by {how}",
            mend="LoRA adapters can be merged, and IA3 adapters by `linear`.",
        )


def _check_rank(network: Any, rank: int | None) -> None:
    """Refuse a rank that the smallest of the matrices cannot have; PEFT would fail on it."""
    parts = [module for module in network.modules() if hasattr(module, "lora_A")]
    most = min((min(part.in_features, part.out_features) for part in parts), default=0)
    if rank is not None and parts and rank > most:
        raise TuneError(f"rank {rank} is more than the smallest matrix has: {most}", where="rank")


def _add_weighted(
    network: Any,
    names: list[str],
    weights: Sequence[float],
    how: How,
    rank: int | None,
    density: float,
    seed: int,
) -> None:
    import torch

    torch.manual_seed(seed)
    first = network.peft_config[names[0]]
    try:
        if first.peft_type == "IA3":
            network.add_weighted_adapter(names, list(weights), NEW)
            return
        # the scales go into A and B; PEFT would copy the flag, and multiply by sqrt(r) once more
        scaled, first.use_rslora = first.use_rslora, False
        options: dict[str, Any] = {"combination_type": how, "density": density}
        network.add_weighted_adapter(names, list(weights), NEW, svd_rank=rank, **options)
        first.use_rslora = scaled
    except ValueError as error:
        mend = "`cat` and `svd` take adapters of different ranks." if "same r" in str(error) else ""
        raise TuneError(f"these adapters cannot be merged: {error}", mend=mend) from error


def _apart(network: Any, weights: Mapping[str, float]) -> float:
    """How far the new update lies from the weighted sum, as a share of the sum's length."""
    off = whole = 0.0
    for module in network.modules():
        if NEW not in getattr(module, "lora_A", {}) and NEW not in getattr(module, "ia3_l", {}):
            continue
        wanted = sum(w * _update(module, name) for name, w in weights.items() if _has(module, name))
        off += float((_update(module, NEW) - wanted).square().sum())
        whole += float(wanted.square().sum())  # type: ignore[union-attr]
    return float((off / whole) ** 0.5) if whole else 0.0


def _has(module: Any, name: str) -> bool:
    return name in getattr(module, "lora_A", {}) or name in getattr(module, "ia3_l", {})


def _update(module: Any, name: str) -> Tensor:
    """What an adapter adds to a matrix; of IA3 its factors."""
    found: Tensor = (
        module.ia3_l[name].detach() if hasattr(module, "ia3_l") else module.get_delta_weight(name)
    )
    return found.float()


def _save_new(network: Any, out: Path) -> None:
    """Write the new adapter as a folder of its own, not below its name."""
    import shutil

    from luthier.models._quiet import quietly

    out.mkdir(parents=True, exist_ok=True)
    with quietly():
        network.save_pretrained(out, selected_adapters=[NEW])
    for file in (out / NEW).iterdir():
        if file.name in (adapter.CONFIG, adapter.WEIGHTS):
            file.replace(out / file.name)
    shutil.rmtree(out / NEW)
    (out / "README.md").unlink(missing_ok=True)


def _product(shape: Sequence[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
