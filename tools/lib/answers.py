#!/usr/bin/env python3
"""Shows what a trained model answers to messages that it has not seen, about things that it has.

    tools/lib/answers.py TRAIN.jsonl TEST.jsonl PREDICTIONS.jsonl N     N messages with the answer that is expected, and what came
    tools/lib/answers.py TRAIN.jsonl TEST.jsonl                         the first such message alone

A message is of TEST.jsonl; the "item" of its answer is one of TRAIN.jsonl's. PREDICTIONS.jsonl is of `ql-perplexity --predictions`
over TEST.jsonl. The N are spread evenly over the file, whether the answers are right or wrong.
"""
import json
import sys


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def said_by(sample, role):
    return next(message["content"] for message in sample["messages"] if message["role"] == role)


def item_of(sample):
    return json.loads(said_by(sample, "assistant"))["item"]


def main():
    train, test = read(sys.argv[1]), read(sys.argv[2])
    trained = {item_of(sample) for sample in train}
    known = [i for i, sample in enumerate(test) if item_of(sample) in trained]
    if len(sys.argv) == 3:
        print(said_by(test[known[0]], "user"))
        return
    predictions = {line["sample"] - 1: line for line in read(sys.argv[3])}
    n = min(int(sys.argv[4]), len(known))
    for i in (known[k * len(known) // n] for k in range(n)):
        answer = predictions[i]
        print(f"message   {said_by(test[i], 'user')}")
        print(f"expected  {answer['expected']}")
        print(f"got       {answer['got']}   {'right' if answer['exact'] else 'wrong'}\n")


if __name__ == "__main__":
    main()
