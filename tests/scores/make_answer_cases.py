#!/usr/bin/env python3
"""Pairs of a wanted and a generated answer with the figures that the field's programs give them: answer_cases.json.

    make_answer_cases.py OUT.json

Needs requirements.txt, in a virtual environment outside of this tree. The figures of a pair:
  normalized, f1  SQuAD v1.1's evaluation, written here from its definition
  rouge_l         rougeL of PyPI rouge-score, F-measure, without stemming
  final           whether the final answers agree: GSM8K's rule (behind "#### ") where a text has the marker, else the last
                  number as lm-evaluation-harness takes it ("flexible-extract"); absent where neither finds a wanted one
These know ASCII's punctuation and words between blanks alone (rouge-score: ASCII's letters). For the pairs of WIDER the
figures are those of the same programs with wider words: MLQA's punctuation (Unicode's), a word for each character of Chinese
and Japanese, letters of every script in rouge-score's tokenizer; and two texts without a word agree, as in SQuAD 2.0. The
script checks that on all other pairs this widening changes nothing.
"""
import collections
import importlib.metadata
import json
import re
import string
import sys

import regex
from rouge_score import rouge_scorer

PAIRS = [
    ("Denver Broncos", "Denver Broncos"),
    ("Denver Broncos", "The Denver Broncos."),
    ("the Broncos", "Broncos of Denver, the team"),
    ("", "something"),
    ("something", ""),
    ("A cat", "an CAT!"),
    ("a theme then another anthem", "theme then another anthem"),
    ("the the the the cat", "the cat the cat"),
    ("no no yes", "no yes yes"),
    ("Pizza in Japan", "pizz in jap"),
    ("yes", "no"),
    ("U.S.", "US"),
    ("well-known", "well known"),
    ("don't stop", "dont stop"),
    ("snake_case_name", "snake case name"),
    ("$1,234.50", "1234.50"),
    ("50%", "50 percent"),
    ("x = y + 3", "x=y+3"),
    ("~`^|<>#1", "1"),
    ("one\ttwo\n\nthree", "one two three"),
    ("  blanks   around  ", "blanks around"),
    ("the quick brown fox jumps over the lazy dog", "the fox, quick and brown, jumped over a lazy dog"),
    ("one two three four five six", "six five four three two one"),
    ("a b c d e f g h i j", "b d f h j a c e g i"),
    ("alpha beta gamma", "alpha gamma beta alpha gamma"),
    (" ".join(f"w{i % 7}" for i in range(150)), " ".join(f"w{i % 5}" for i in range(200))),
    (" ".join(f"w{i * i % 31}" for i in range(130)), " ".join(f"w{i * i * i % 31}" for i in range(70))),
    ('{"item": "lamp", "size": "M", "n": 2}', '{"item": "lamp", "size": "L", "n": 2}'),
    ('{"item": "lamp", "size": "M", "n": 2}', '{"n":2,"item":"lamp","size":"M"}'),
    ("He sold 48/2 = 24 clips.\n#### 72", "48 / 2 = 24, and 48 + 24 = 72.\n#### 72"),
    ("#### 72", "#### 73"),
    ("It is 1,080 in all.\n#### 1,080", "#### 1080"),
    ("#### 1,234,567", "The total is 1,234,567"),
    ("#### 5", "First #### 4\nNo: #### 5"),
    ("#### -3", "The difference is -3"),
    ("#### 18", "She makes 18 dollars a day, of 9 eggs for 2 each"),
    ("#### 18", "She makes 9 * 2 = $18"),
    ("#### 0.5", "#### 0.5"),
    ("The answer is 12", "12"),
    ("7 apples and 12 pears", "12 pears and 7 apples"),
    ("it is 3.14", "about 3.14"),
    ("Москва 2024", "москва, 2024"),
    ("CAFÉ NOIR", "café noir"),
]
WIDER = [
    ("", ""),
    ("the", "A"),
    ("!?", "..."),
    ("“Hello”, she said", "\"Hello\" she said"),
    ("«Привет», мир", "привет мир"),
    ("don’t stop", "dont stop"),
    ("¿Qué tal?", "qué tal"),
    ("Zürich und Genf", "Genf und ZÜRICH"),
    ("ΟΔΟΣ ΑΘΗΝΩΝ", "οδος αθηνων"),
    ("東京は大きい。", "大きい東京"),
    ("ラーメンを 二つ", "ラーメンを二つ"),
    ("ﾗｰﾒﾝ ｶﾞ", "ﾗ-ﾒﾝｶﾞ〆"),
    ("안녕하세요 세계", "세계 안녕"),
    ("नमस्ते दुनिया", "नमस्ते, दुनिया!"),
    ("la\u0301pis a\u0301", "la\u0301pis"),
]
SCRIPTS = r"\p{Han}\p{Hiragana}\p{Katakana}\u30fc\uff70\u3006"
CHARACTER = f"[{SCRIPTS}][\\p{{M}}\uff9e\uff9f]*"


def squad_normalized(text):
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def squad_f1(wanted, got):
    n = sum((collections.Counter(wanted) & collections.Counter(got)).values())
    if n == 0:
        return 0.0
    precision, recall = n / len(got), n / len(wanted)
    return 2 * precision * recall / (precision + recall)


class RunsOfLetters:
    """rouge-score's tokenizer with letters, accents and digits of every script."""

    def tokenize(self, text):
        return regex.findall(f"{CHARACTER}|[\\p{{L}}\\p{{N}}\\p{{M}}--[{SCRIPTS}]]+", lower(text), flags=regex.V1)


def lower(text):
    return text.lower().replace("ς", "σ")


def wider_normalized(text):
    text = "".join(c for c in lower(text) if c not in string.punctuation and not regex.fullmatch(r"\p{P}", c))
    parts = regex.findall(r"[\p{L}\p{N}\p{M}]+|[^\p{L}\p{N}\p{M}]+", text)
    return " ".join("".join(" " if part in ("a", "an", "the") else part for part in parts).split())


def rouge_l(wanted, got, tokenizer=None):
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False, tokenizer=tokenizer)
    return scorer.score(wanted, got)["rougeL"].fmeasure


def squad_figures(wanted, got):
    a, b = squad_normalized(wanted), squad_normalized(got)
    return {"normalized": a == b, "f1": squad_f1(a.split(), b.split()), "rouge_l": rouge_l(wanted, got)}


def wider_figures(wanted, got):
    a, b = wider_normalized(wanted), wider_normalized(got)
    a_words, b_words = (regex.sub(f"({CHARACTER})", r" \1 ", text).split() for text in (a, b))
    tokenizer = RunsOfLetters()
    no_runs = not tokenizer.tokenize(wanted) and not tokenizer.tokenize(got)
    return {"normalized": a == b, "f1": squad_f1(a_words, b_words) if a_words or b_words else 1.0,
            "rouge_l": 1.0 if no_runs else rouge_l(wanted, got, tokenizer)}


def final_answer(text):
    if "####" in text:
        found = re.findall(r"#### (\-?[0-9\.\,]+)", text)[-1:]
    else:
        found = [a or b for a, b in re.findall(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", text)][-1:]
    return re.sub(r"[,$]|\.$", "", found[0]) if found else None


def case(wanted, got, figures):
    out = {"wanted": wanted, "got": got, **figures}
    if final_answer(wanted) is not None:
        out["final"] = final_answer(wanted) == final_answer(got)
    return out


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    cases = []
    for pair in PAIRS:
        assert squad_figures(*pair) == wider_figures(*pair), pair
        cases.append(case(*pair, squad_figures(*pair)))
    for pair in WIDER:
        assert squad_figures(*pair) != wider_figures(*pair), pair
        cases.append(case(*pair, wider_figures(*pair)))
    version = {name: importlib.metadata.version(name) for name in ("rouge-score", "regex")}
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        rows = ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases)
        file.write(f'{{"version": {json.dumps(version)}, "cases": [\n{rows}\n]}}\n')


if __name__ == "__main__":
    main()
