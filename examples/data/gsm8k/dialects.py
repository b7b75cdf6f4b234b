"""Write the first questions of first.jsonl in every dialect that is recognised by its keys.

`luthier data collect dialects.yaml` reads them all; nothing is said of what their keys mean.
"""

import json
from pathlib import Path
from typing import Any

folder = Path("dialects")
folder.mkdir(exist_ok=True)
lines = Path("first.jsonl").read_text(encoding="utf-8").splitlines()
asked = [json.loads(line) for line in lines[:20]]
tool = {
    "type": "function",
    "function": {
        "name": "calculate",
        "parameters": {"type": "object", "properties": {"sum": {"type": "string"}}},
    },
}


def forms(question: str, answer: str) -> dict[str, dict[str, Any]]:
    """One question and its answer in every dialect."""
    result = answer.rpartition("#### ")[2]
    size = "large" if len(result) > 2 else "small"
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "calculate", "arguments": json.dumps({"sum": result})},
    }
    return {
        "alpaca": {"instruction": question, "input": "", "output": answer},
        "sharegpt": {
            "conversations": [
                {"from": "human", "value": question},
                {"from": "gpt", "value": answer},
            ]
        },
        "messages": {
            "messages": [
                {"role": "user", "content": question},
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": result},
                {"role": "assistant", "content": answer},
            ],
            "tools": [tool],
        },
        "prompt_completion": {"prompt": question, "completion": answer},
        "text": {"text": f"{question}\n{answer}"},
        "preference": {"prompt": question, "chosen": answer, "rejected": f"#### {result}0"},
        "kto": {"prompt": question, "completion": answer, "label": True},
        "classification": {"text": question, "label": size},
        "label_studio": {
            "data": {"text": question},
            "annotations": [
                {
                    "result": [
                        {
                            "from_name": "size",
                            "to_name": "text",
                            "type": "choices",
                            "value": {"choices": [size]},
                        }
                    ]
                }
            ],
        },
        "prodigy": {"text": question, "accept": [size], "answer": "accept"},
    }


written: dict[str, list[dict[str, Any]]] = {}
for one in asked:
    for dialect, row in forms(one["question"], one["answer"]).items():
        written.setdefault(dialect, []).append(row)
for dialect, rows in written.items():
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / f"{dialect}.jsonl").write_text(text, encoding="utf-8")
