"""Speed and memory of data preparation, beside datatrove, HF datasets and pandas.

    python benchmarks/data.py [--gb 1] [--peers all|none|datatrove,datasets,pandas] [--out r.json]

Makes a JSONL file of realistic rows (``_corpus.py``) and takes it through the same steps with each
contender: broken rows out, English only, personal data masked, exact and near-duplicates out,
split, tables written. Luthier does it with the stages collect, clean and prepare, which also
verify each near-duplicate, keep groups together, check for leakage and keep a ledger. Each runs in
a process of its own on one core; CPU seconds and peak memory are the operating system's account of
it and its children. pandas meets Luthier at 300 MB. Then Luthier alone at 10,000, 100,000 and a
million rows: CPU microseconds for each row must not grow.

A defeat: fewer than 3 times datatrove's and HF datasets' rows per CPU second, fewer than 5 times
pandas', more than 4 GB, or microseconds per row that grow by half from 10,000 rows to a million.
Rows left beside those that were to be left tell who drops too many (rensa's flags and datatrove's
clusters are not verified) or too few.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _corpus import make

HERE = Path(__file__).parent
NEEDS = {
    "datatrove": ("datatrove", "orjson"),
    "datasets": ("datasets", "rensa", "orjson"),
    "pandas": ("pandas", "rensa", "orjson"),
}
GROWTH = (10_000, 100_000, 1_000_000)
ROW_BYTES = 1150  # about
PANDAS_GB = 0.3
WIN = {"datatrove": 3.0, "datasets": 3.0, "pandas": 5.0}


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One contender on one file.

    Attributes:
        name: Who.
        rows: Rows in.
        rows_out: Rows left.
        megabytes: Of the file.
        cpu_s: User and system seconds, children included.
        wall_s: Seconds on the clock.
        peak_mb: Largest resident memory of one process.
        stages: CPU seconds of each stage.
    """

    name: str
    rows: int
    rows_out: int
    megabytes: float
    cpu_s: float
    wall_s: float
    peak_mb: float
    stages: dict[str, float]


def main() -> int:
    """Make the files, run all contenders, print the tables."""
    options = _options()
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        whole = _made(folder / "rows.jsonl", options.seed, size=int(options.gb * 1e9))
        small = whole
        if options.gb > PANDAS_GB and "pandas" in options.peers:
            small = _made(folder / "small.jsonl", options.seed, size=int(PANDAS_GB * 1e9))
        _print_versions()
        for contender in ("luthier", *options.peers):
            if contender != "pandas":
                runs.append(measure(contender, *whole, folder))
        if "pandas" in options.peers:
            one = measure("luthier", *small, folder) if small is not whole else runs[0]
            runs += [one] if small is not whole else []
            runs.append(measure("pandas", *small, folder))
            _print_table([one, runs[-1]])
        _print_table([run for run in runs if run.rows == whole[1]])
        growth = [
            measure("luthier", *_made(folder / f"{rows}.jsonl", options.seed, rows=rows), folder)
            for rows in GROWTH
            if rows * ROW_BYTES <= options.gb * 1.3e9
        ]
    _print_growth(growth)
    if options.out:
        told = [dataclasses.asdict(run) for run in (*runs, *growth)]
        options.out.write_text(json.dumps(told, indent=2), encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gb", type=float, default=1.0, help="size of the file")
    parser.add_argument("--peers", default="all", help="all, none, or names with commas")
    parser.add_argument("--out", type=Path, help="write the measurements here, as JSON")
    parser.add_argument("--folder", type=Path, help="a folder with room for six times the file")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    wanted = {"all": list(NEEDS), "none": []}.get(options.peers, options.peers.split(","))
    options.peers = []
    for peer in wanted:
        missing = [name for name in NEEDS[peer] if importlib.util.find_spec(name) is None]
        if missing:
            print(f"{peer} IS NOT COMPARED: {', '.join(missing)} missing", file=sys.stderr)
        else:
            options.peers.append(peer)
    return options


def _made(path: Path, seed: int, **size: int) -> tuple[Path, int]:
    counts = make(path, seed=seed, **size)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common())
    print(f"{path.stat().st_size / 1e6:,.1f} MB, {counts.total():,} rows: {kinds}")
    print(f"to be left: {counts['plain'] + counts['personal data']:,}", flush=True)
    return path, counts.total()


def measure(name: str, file: Path, rows: int, scratch: Path) -> Run:
    """Run a contender in a process of its own."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        log = Path(folder) / "log.txt"
        command = [sys.executable, str(HERE / "peers" / "rows.py"), name, str(file), folder]
        one = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        environment = {**os.environ, **one, "HF_HUB_OFFLINE": "1"}
        started = time.monotonic()
        with log.open("wb") as output:
            actions = [(os.POSIX_SPAWN_DUP2, output.fileno(), n) for n in (1, 2)]
            pid = os.posix_spawn(command[0], command, environment, file_actions=actions)
            _, status, usage = os.wait4(pid, 0)
        wall = time.monotonic() - started
        if status:
            print(log.read_text(errors="replace")[-3000:], file=sys.stderr)
            raise SystemExit(f"{name} ended with {os.waitstatus_to_exitcode(status)}")
        result: dict[str, Any] = json.loads((Path(folder) / "result.json").read_text())
    return Run(
        name,
        rows,
        result["rows_out"],
        file.stat().st_size / 1e6,
        usage.ru_utime + usage.ru_stime,
        wall,
        usage.ru_maxrss / 1000,
        result["stages"],
    )


def _print_versions() -> None:
    known = [n for n in ("datatrove", "datasets", "pandas", "rensa", "numpy") if _version(n)]
    print(", ".join(f"{name} {_version(name)}" for name in known))


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _print_table(runs: list[Run]) -> None:
    ours = runs[0]
    print(f"\n{ours.megabytes:,.0f} MB, {ours.rows:,} rows")
    print(f"{'':12} rows out  CPU s   wall s  rows/CPU s  MB/CPU s  peak MB  Luthier is")
    for run in runs:
        ratio = run.cpu_s / ours.cpu_s
        won = ratio >= WIN.get(run.name, 0)
        verdict = "" if run is ours else f"{ratio:.1f} x {'' if won else 'A DEFEAT'}"
        print(
            f"{run.name:12} {run.rows_out:8,} {run.cpu_s:6.1f} {run.wall_s:8.1f} "
            f"{run.rows / run.cpu_s:11,.0f} {run.megabytes / run.cpu_s:9.1f} "
            f"{run.peak_mb:8,.0f}  {verdict}"
        )
    for run in runs:
        stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in run.stages.items())
        print(f"  {run.name}: {stages} CPU s")
    if ours.peak_mb > 4000:
        print("  A DEFEAT: more than 4 GB")


def _print_growth(runs: list[Run]) -> None:
    print("\nLuthier alone\n     rows  CPU s  CPU us/row  peak MB")
    for run in runs:
        each = run.cpu_s / run.rows * 1e6
        print(f"{run.rows:9,} {run.cpu_s:6.1f} {each:11.0f} {run.peak_mb:8,.0f}")


if __name__ == "__main__":
    sys.exit(main())
