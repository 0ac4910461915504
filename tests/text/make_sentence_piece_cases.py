#!/usr/bin/env python3
"""A small tokenizer.model in the manner of Llama 2, and what PyPI `sentencepiece` makes of odd texts with it.

    make_sentence_piece_cases.py OUT.json [TEXTS [SEED]]

The committed sentence_piece_cases.json is `make_sentence_piece_cases.py sentence_piece_cases.json 300 1`; tests/long.sh makes a
larger file. Needs tokenizer_requirements.txt. A file is {"model": hexadecimal digits, "cases": [[text, [ids]], ...]}.
"""
import io
import json
import random
import sys

import sentencepiece

from make_tokenizer_cases import ODD, SENTENCES, random_text


def main():
    out, n, seed = sys.argv[1], *(int(a) for a in (sys.argv[2:] + ["300", "1"][len(sys.argv) - 2:]))
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 3), model_writer=model, vocab_size=500, model_type="bpe", byte_fallback=True,
        character_coverage=0.98, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
        allow_whitespace_only_pieces=True, minloglevel=2, num_threads=1)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    rng = random.Random(seed)
    texts = ODD + [random_text(rng) for _ in range(n)]
    with open(out, "w") as file:
        json.dump({"model": model.getvalue().hex(), "cases": [[t, processor.encode(t)] for t in texts if "\x00" not in t]},
                  file, separators=(",", ":"))
        file.write("\n")


main()
