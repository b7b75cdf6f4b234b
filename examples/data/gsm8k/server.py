"""A stand-in for a model that writes, behind the API that OpenAI's clients speak.

No model is at work here: replies follow rules and the seed of each request. It shows how rows are
written, judged and refused, without an account and without a price. One reply in eight is an
apology and one in eight is a sum done wrong, as real models give them.

    python server.py                    # http://127.0.0.1:8399/v1
    python server.py 9000               # another port
"""

import json
import random
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PEOPLE = ["a baker", "a bus driver", "a nurse", "a farmer", "a librarian", "a potter"]
THINGS = ["rolls", "tickets", "bandages", "apples", "books", "bowls", "letters", "lamps"]
PLACES = ["boxes", "bags", "crates", "baskets", "parcels", "drawers"]
BEGINNINGS = [
    "{who} packs {many} {places} with {each} {things} in each.",
    "In a cellar stand {many} {places}, and every one holds {each} {things} of {who}'s.",
    "{who} orders {many} {places}; each comes with {each} {things}.",
    "Every day for {many} days {who} mends {each} {things}.",
    "For a fair, {many} helpers of {who} carry {each} {things} apiece.",
    "{many} neighbours owe {who} {each} {things} each, and all bring them.",
]
MIDDLES = [
    "Then {gone} of the {things} are sold.",
    "On the way {gone} break.",
    "A storm at night ruins {gone} of them.",
    "Before noon {gone} have been fetched by their owners.",
    "Thieves come and take {gone}.",
    "By mistake {gone} end up in the wrong house.",
]
ENDINGS = [
    "How many {things} remain?",
    "What number is left when the day is over?",
    "With how many can one still count?",
    "Work out what stays on the shelf.",
    "How many more would have to go until there are none?",
    "Tell the rest of the {things}.",
]


def reply(prompt: str, seed: int) -> str:
    """What the stand-in says to a prompt."""
    chance = random.Random(f"{seed} {prompt}")
    if "Give a mark" in prompt:
        return mark(prompt)
    if chance.randrange(8) == 0:
        return "I'm sorry, I cannot help with that."
    asked = re.search(r"person: ([\w ]+)", prompt)
    who = asked[1] if asked else chance.choice(PEOPLE)
    question = a_sum(who, chance)
    return f"Question: {question}\nAnswer: {worked(question, chance)}"


def a_sum(who: str, chance: random.Random) -> str:
    """A question about three numbers: so many times so many, less some."""
    many, each = chance.randrange(3, 20), chance.randrange(4, 30)
    gone = chance.randrange(1, many * each)
    things, places = chance.choice(THINGS), chance.choice(PLACES)
    form = " ".join(chance.choice(parts) for parts in (BEGINNINGS, MIDDLES, ENDINGS))
    told = form.format(who=who, many=many, each=each, gone=gone, things=things, places=places)
    return told[0].upper() + told[1:]


def worked(question: str, chance: random.Random) -> str:
    """An answer with its steps; one in eight is wrong."""
    first, second, third = (int(n) for n in re.findall(r"\d+", question))
    result = first * second - third + (10 if chance.randrange(8) == 0 else 0)
    return (
        f"{first}*{second} = {first * second}. {first * second}-{third} = {result}.\n#### {result}"
    )


def solved(question: str) -> int | None:
    """The result of a question as ``a_sum`` writes it."""
    numbers = [int(n) for n in re.findall(r"\d+", question)]
    return numbers[0] * numbers[1] - numbers[2] if len(numbers) == 3 else None


def mark(prompt: str) -> str:
    """5 for a sum that is right, 2 for one that is not."""
    question, _, answer = prompt.rpartition("Question: ")[2].partition("\nAnswer: ")
    found = re.search(r"#### (\d+)", answer)
    return "5" if found and solved(question) == int(found[1]) else "2"


class Handler(BaseHTTPRequestHandler):
    """``POST /v1/chat/completions``."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer one request."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions":
            self.answer(404, {"error": {"message": f"there is nothing at {self.path}"}})
            return
        prompt = asked["messages"][-1]["content"]
        said = reply(prompt, asked.get("seed", 0))
        choice = {"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(said.split())}
        self.answer(200, {"choices": [{"index": 0, **choice}], "usage": usage})

    def answer(self, status: int, told: dict[str, Any]) -> None:
        """Send JSON."""
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing of single requests."""


def main() -> None:
    """Serve until Ctrl-C."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8399
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        print(f"a stand-in that follows rules answers at http://127.0.0.1:{server.server_port}/v1")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
