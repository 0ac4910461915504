"""The 20 prompts: 12 texts to complete, of many kinds, and 8 orders as the adapter was trained on them."""
import json
from pathlib import Path

ORDERS = Path(__file__).resolve().parents[2] / "examples" / "finetune"
SYSTEM = "Turn the order into JSON."  # the system message of the orders
TEXTS = [
    "The capital of France is",
    "Once upon a time, in a small village by the sea, there lived",
    "Water boils at",
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return",
    "1, 2, 4, 8, 16,",
    "Dear Ms Jensen,\n\nThank you for your letter of 3 May. We are sorry to",
    "The mitochondria is the powerhouse of the",
    "Q: How many legs does a spider have?\nA:",
    "SELECT name, COUNT(*) FROM orders WHERE",
    "Le chat est assis sur la",
    "Recipe for pancakes\n\nIngredients:\n- 200 g of flour\n-",
    "In 1969, Neil Armstrong became the first person to walk on the",
]


def order_messages():
    """Eight messages of the held-out orders, spread over the file."""
    lines = (ORDERS / "orders-test.jsonl").read_text(encoding="utf-8").splitlines()
    samples = [json.loads(line)["messages"] for line in lines[:: len(lines) // 8][:8]]
    assert all(s[0] == {"role": "system", "content": SYSTEM} for s in samples)
    return [s[1]["content"] for s in samples]


def all_prompts(render_chat):
    """[(prompt as another program gets it, options that make ql-chat say the same)]. render_chat is the other program's
    renderer of messages: orders go through both."""
    pairs = [(text, ["--raw", "-p", text]) for text in TEXTS]
    for message in order_messages():
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": message}]
        pairs.append((render_chat(messages), ["--chat", "--system", SYSTEM, "-p", message]))
    return pairs
