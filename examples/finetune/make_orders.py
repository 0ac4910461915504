#!/usr/bin/env python3
"""Writes the example's data: messages of a shop's customers, and the order in each as JSON.

    python3 make_orders.py            writes orders-train.jsonl and orders-test.jsonl beside this file
    python3 make_orders.py --check    checks that the files there are what this script writes

A small model cannot do this task untrained (it does not know the keys) and learns it in minutes (the
values are in the message, or nearly: "two mugs" -> "mug", 2). What makes it more than copying: order and
wording vary, fields may be missing (null), and some numbers, days and towns are not part of the order.

A message is  greeting + body + remark + closing.  The body's slots decide which fields the answer has;
the rest of this file is word lists. Every choice is drawn from random.random(), the one method whose
sequence Python promises to keep, so that the same seed gives the same bytes under every version.
"""
import argparse
import json
import pathlib
import random
import re
import sys

SEED = 20
N_TRAIN, N_TEST = 600, 128
NEW_WORDING_SHARE = 0.25    # chance that a held-out sample has a body that no training sample has
SYSTEM = "Turn the order into JSON."
FOLDER = pathlib.Path(__file__).resolve().parent

# Things sold. Nothing that comes in pairs: "a pair of socks" would be one or two.
SIZED = ("T-shirt, hoodie, sweater, jacket, raincoat, cardigan, dress, skirt, blouse, vest, polo shirt, bathrobe, "
         "apron, winter coat, swimsuit, jersey").split(", ")
UNSIZED = ("mug, teapot, candle, notebook, backpack, umbrella, desk lamp, cushion, blanket, towel, pillow, water "
           "bottle, frying pan, wall clock, vase, wallet, picture frame, lunch box, belt, basket, tote bag, "
           "doormat, bread knife, scarf").split(", ")
ITEMS = SIZED + UNSIZED
PLURALS = {"dress": "dresses", "lunch box": "lunch boxes", "bread knife": "bread knives", "scarf": "scarves"}

# Quantity and size: the answer's value and the ways to write it.
QUANTITIES = [
    (1, ["a", "one", "1", "just one", "a single"]), (2, ["two", "2", "a pair of", "a couple of"]),
    (3, ["three", "3"]), (4, ["four", "4"]), (5, ["five", "5"]), (6, ["six", "6", "half a dozen"]),
    (7, ["seven", "7"]), (8, ["eight", "8"]), (9, ["nine", "9"]), (10, ["ten", "10"]),
    (12, ["twelve", "12", "a dozen"]), (15, ["fifteen", "15"]), (20, ["twenty", "20"]),
]
SIZES = [("S", "small"), ("M", "medium"), ("L", "large"), ("XL", "extra large")]
GOODS_PLAIN = ["{n} {noun}"]
GOODS_SIZED = ["{n} {size_word} {noun}", "{n} {noun} in {size_word}", "{n} {noun}, size {size}",
               "{n} {noun} in size {size}", "{n} {noun} ({size})", "{n} {noun} in {size}"]
NO_SIZE_SHARE = 0.15        # of the orders of a sized thing: they do not say the size

CITIES = ("Leeds Oslo Madrid Lisbon Dublin Vienna Prague Berlin Hamburg Munich Paris Lyon Milan Rome Turin Athens "
          "Warsaw Helsinki Bergen Glasgow Bristol York Geneva Brussels Antwerp Boston Chicago Denver Seattle "
          "Toronto").split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
DATE_FORMS = ["{day} {month}", "{month} {day}", "{day}{th} {month}", "the {day}{th} of {month}"]

# {other_...} is never the answer: what the customer takes back, or mentions in passing.
BODIES = [
    "I'd like {goods}, delivered to {city} by {date}.",
    "Please send {goods} to {city} by {date}.",
    "Can I get {goods} shipped to {city} before {date}?",
    "I need {goods} in {city} on {date}.",
    "Could you deliver {goods} to my flat in {city} on {date}?",
    "We want {goods}. Address is in {city}, deliver on {date}.",
    "By {date} I need {goods} here in {city}.",
    "Is it possible to have {goods} in {city} by {date}?",
    "For {date} please: {goods}, to {city}.",
    "I live in {city} and want to order {goods} for {date}.",
    "Our office in {city} is short of things, so {goods} by {date} would be great.",
    "{city} here. On {date} I am at home, so bring me {goods} then.",
    "Order for {city}: {goods}. It has to arrive by {date}.",
    "Delivery on {date}, to {city}. I'll take {goods}.",
    "My mother in {city} has her birthday on {date} and wants {goods}.",
    "Looking for {goods}, must reach {city} before {date}.",
    "Put me down for {goods}, {city}, {date}.",
    "Do you ship to {city}? If so, {goods} for {date}.",
    "Before {date}, could {goods} be sent to {city}?",
    "Send {goods} to {other_city}, sorry, I mean {city}, by {date}.",
    "Please deliver {goods} to {city} on {other_date}. No wait, on {date}.",
    "I first wanted {other_n} but now I need {goods}, to {city} by {date}.",
    "I'd like to order {goods} and have it sent to {city}.",
    "Please ship {goods} to {city}, no hurry.",
    "{goods} for my house in {city}, any day is fine.",
    "Can you send {goods} to {city}?",
    "I need {goods} by {date}.",
    "I'll pick up {goods} at your shop on {date}.",
    "Please keep {goods} for me until {date}.",
    "I'd like {goods}, I'll collect it myself.",
]
NEW_BODIES = [
    "Would you send {goods} over to {city} before {date}?",
    "I want to buy {goods}. Send it to {city} by {date}.",
    "A friend in {city} needs {goods} on {date}.",
    "Please have {goods} ready for {date}.",
    "I am in {city} and I need {goods}.",
    "To {city} by {date} please: {goods}.",
]
GREETINGS = ["", "", "", "", "Hi, ", "Hello, ", "Hi there! ", "Good morning. ", "Hey, ", "Dear shop, ", "Hello again! "]
REMARKS = [
    "It's a gift.", "Great shop by the way.", "Hope the weather is nice where you are.", "No plastic wrapping please.",
    "My dog ate the old one.", "I'll pay by card.", "Please ring the bell.", "I have {other_n} kids, so be quick.",
    "The last parcel took {other_n} days.", "My order number last time was {code}.", "We moved here from {other_city}.",
    "My sister in {other_city} says you are the best.", "Call me on {other_date} if there is a problem.",
    "I saw your ad on {other_date}.",
]
REMARK_SHARE = 0.4
CLOSINGS = ["", "", "", "", " Thanks!", " Thank you.", " thx", " Many thanks, Sam", " Cheers", " Best wishes, Ana"]
LOWER_CASE_SHARE, TYPO_SHARE, NO_STOP_SHARE = 0.12, 0.15, 0.15


class Chooser:
    """Random choices that depend on the seed alone."""

    def __init__(self, seed):
        self.random = random.Random(seed).random

    def pick(self, values):
        return values[int(self.random() * len(values))]

    def chance(self, share):
        return self.random() < share


def ordinal_suffix(day):
    return "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def make_date(choose):
    """A date as the answer has it, and as the customer writes it."""
    if choose.chance(0.5):
        weekday = choose.pick(WEEKDAYS)
        return weekday, weekday
    day, month = choose.pick(range(1, 29)), choose.pick(MONTHS)
    form = choose.pick(DATE_FORMS)
    return f"{day} {month}", form.format(day=day, month=month, th=ordinal_suffix(day))


def make_goods(choose, item):
    """Quantity and size as the answer has them, and the phrase for them: "two medium hoodies"."""
    quantity, words = choose.pick(QUANTITIES)
    size, size_word = choose.pick(SIZES)
    if item in UNSIZED or choose.chance(NO_SIZE_SHARE):
        size = None
    noun = item if quantity == 1 else PLURALS.get(item, item + "s")
    form = choose.pick(GOODS_SIZED if size else GOODS_PLAIN)
    phrase = form.format(n=choose.pick(words), noun=noun, size=size, size_word=size_word)
    return quantity, size, re.sub(r"^a (?=[aeiou])", "an ", phrase)


def swap_letters(choose, text):
    """One typo, in a longer word of the fixed text: slots and what fills them stay as they are."""
    words = [m for m in re.finditer(r"(?<![\w{'])[A-Za-z]{5,}(?![\w}'])", text)]
    if not words:
        return text
    word = choose.pick(words)
    i = word.start() + choose.pick(range(1, len(word.group()) - 2))
    return text[:i] + text[i + 1] + text[i] + text[i + 2:]


def make_text(choose, body):
    """The message with its slots still open."""
    greeting = choose.pick(GREETINGS)
    if greeting.endswith(", ") and not body.startswith("I"):
        body = body[0].lower() + body[1:]
    text = greeting + body
    if choose.chance(REMARK_SHARE):
        text += " " + choose.pick(REMARKS)
    if choose.chance(TYPO_SHARE):
        text = swap_letters(choose, text)
    if choose.chance(NO_STOP_SHARE):
        text = text.rstrip(".")
    return text + choose.pick(CLOSINGS)


def make_sample(choose, item, bodies):
    """One (message, answer)."""
    body = choose.pick(bodies)
    quantity, size, goods = make_goods(choose, item)
    date, date_text = make_date(choose)
    city = choose.pick(CITIES)
    message = make_text(choose, body).format(
        goods=goods, city=city, date=date_text, code=1000 + choose.pick(range(9000)),
        other_city=choose.pick([c for c in CITIES if c != city]),
        other_date=choose.pick([d for d in WEEKDAYS if d != date]),
        other_n=choose.pick([n for n, _ in QUANTITIES if n not in (1, quantity)]))
    message = re.sub(r"(?:^|[.!?] )[a-z]", lambda start: start.group().upper(), message)
    if choose.chance(LOWER_CASE_SHARE):
        message = message.lower()
    answer = {"item": item, "quantity": quantity, "size": size,
              "city": city if "{city}" in body else None, "date": date if "{date}" in body else None}
    return message, json.dumps(answer, separators=(",", ":"))


def make_samples():
    """All samples, training first. No message and no order (answer) occurs twice."""
    choose = Chooser(SEED)
    samples, seen = [], set()
    while len(samples) < N_TRAIN + N_TEST:
        held_out = len(samples) >= N_TRAIN
        bodies = NEW_BODIES if held_out and choose.chance(NEW_WORDING_SHARE) else BODIES
        message, answer = make_sample(choose, ITEMS[len(samples) % len(ITEMS)], bodies)
        if message not in seen and answer not in seen:
            seen.update((message, answer))
            samples.append((message, answer))
    return samples


def to_jsonl(samples):
    lines = []
    for message, answer in samples:
        turns = [("system", SYSTEM), ("user", message), ("assistant", answer)]
        lines.append(json.dumps({"messages": [{"role": role, "content": content} for role, content in turns]}) + "\n")
    return "".join(lines).encode("ascii")


def read_messages(path):
    """The customers' messages in a file."""
    return [json.loads(line)["messages"][1]["content"] for line in path.read_text("ascii").splitlines()]


def check(files):
    """How the files on disk differ from what they should hold, as errors."""
    errors = [f"{path.name}: missing; run make_orders.py" for path in files if not path.is_file()]
    if errors:
        return errors
    errors = [f"{path.name}: differs from what make_orders.py writes; run it again"
              for path, data in files.items() if path.read_bytes() != data]
    train, test = (read_messages(path) for path in files)
    errors += [f"held-out message is also a training message: {m}" for m in sorted(set(train) & set(test))]
    return errors


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="check the files instead of writing them")
    arguments = parser.parse_args()
    samples = make_samples()
    files = {FOLDER / "orders-train.jsonl": to_jsonl(samples[:N_TRAIN]),
             FOLDER / "orders-test.jsonl": to_jsonl(samples[N_TRAIN:])}
    if arguments.check:
        errors = check(files)
        print("\n".join(errors) or f"ok: {N_TRAIN} training and {N_TEST} held-out samples")
        return 1 if errors else 0
    for path, data in files.items():
        path.write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
