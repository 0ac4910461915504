"""Reading a prompt and generating with prebuilt llama.cpp (xllamacpp), by its server's own timings. Prints one JSON object.

    infer_xllamacpp.py MODEL.gguf [--prompt 512] [--generate 64] [--repeats 3] [--threads 2]
"""
import importlib.metadata
import os

import xllamacpp

import inference

VOCABULARY = 49152  # SmolLM2's


def main():
    o = inference.options()
    params = xllamacpp.CommonParams()
    params.model.path = o.model
    params.n_ctx = o.prompt + o.generate + 1
    params.n_batch = params.n_ubatch = o.prompt
    params.n_parallel = 1
    params.verbosity = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = o.threads
    server = xllamacpp.Server(params)
    request = {"prompt": inference.prompt_tokens(o.prompt, VOCABULARY), "max_tokens": o.generate, "temperature": 0,
               "ignore_eos": True, "cache_prompt": False}
    timings = [server.handle_completions(request)["timings"] for _ in range(o.repeats + 1)][1:]  # the first warms up
    if any(t["prompt_n"] != o.prompt or t["predicted_n"] != o.generate for t in timings):
        raise SystemExit(f"other numbers of tokens than asked for: {timings[0]}")
    inference.print_answer([t["prompt_per_second"] for t in timings], [t["predicted_per_second"] for t in timings],
                           "xllamacpp " + importlib.metadata.version("xllamacpp"))
    os._exit(0)  # the server's threads must not hold up the end of the interpreter


if __name__ == "__main__":
    main()
