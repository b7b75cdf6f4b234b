"""Put the model that ``make starter`` has pretrained where the package ships it.

Reads what ``luthier run ... --json`` printed from standard input. The model card (``README.md``) in
place is kept: ``starter_card.py`` writes it.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

PLACE = Path(__file__).parents[1] / "src" / "luthier" / "models" / "starter"
LARGEST = 24_000_000  # bytes that may ship with the package


def place(result: dict[str, dict[str, dict[str, object]]], target: Path = PLACE) -> int:
    """Copy the tuned model's files and return their size in bytes.

    Args:
        result: What the run printed.
        target: The folder to fill; files of the same name are replaced.

    Raises:
        SystemExit: The model is larger than what may ship.
    """
    tune = result["stages"]["tune"]
    files = [p for p in sorted((Path(str(tune["path"])) / "model").iterdir()) if p.is_file()]
    size = sum(p.stat().st_size for p in files)
    if size > LARGEST:
        raise SystemExit(f"the model takes {size:,} bytes, more than the {LARGEST:,} that may ship")
    target.mkdir(parents=True, exist_ok=True)
    for path in files:
        shutil.copyfile(path, target / path.name)
    print(json.dumps(tune["summary"], indent=2))
    return size


if __name__ == "__main__":
    print(f"{place(json.load(sys.stdin)):,} bytes in {PLACE}", file=sys.stderr)
