"""What the measurements of inference share: their options, the tokens that ql-bench infer reads, the answer."""
import argparse
import json
import resource
import statistics


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def prompt_tokens(n, n_vocab):
    return [(i * 7919 + 13) % n_vocab for i in range(n)]


def print_answer(prompt_rates, generation_rates, version):
    """Rates in tokens a second, of the repeats without the one that warms up."""
    print(json.dumps({"prompt_tok_s": statistics.median(prompt_rates), "generation_tok_s": statistics.median(generation_rates),
                      "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "version": version}),
          flush=True)
