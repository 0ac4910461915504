"""Reading a prompt and generating with llama.cpp, compiled for this machine (llama-cpp-python). Prints one JSON object.

    infer_llama_cpp.py MODEL.gguf [--prompt 512] [--generate 64] [--repeats 3] [--threads 2]

Over llama.cpp's own C API: what ql-bench infer does, the same tokens, no sampling.
"""
import time

import llama_cpp as llama

import inference


def main():
    o = inference.options()
    silence = llama.llama_log_callback(lambda level, text, user: None)  # lives as long as llama.cpp may call it
    llama.llama_log_set(silence, None)
    model = llama.llama_model_load_from_file(o.model.encode(), llama.llama_model_default_params())
    if not model:
        raise SystemExit(f"llama.cpp cannot load {o.model}")
    options = llama.llama_context_default_params()
    options.n_ctx = o.prompt + o.generate
    options.n_batch = options.n_ubatch = o.prompt
    options.n_threads = options.n_threads_batch = o.threads
    context = llama.llama_init_from_model(model, options)
    n_vocab = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    tokens = (llama.llama_token * o.prompt)(*inference.prompt_tokens(o.prompt, n_vocab))

    def read(first, n):
        part = (llama.llama_token * n)(*tokens[first:first + n])
        if llama.llama_decode(context, llama.llama_batch_get_one(part, n)) != 0:
            raise SystemExit("llama_decode failed")
        llama.llama_synchronize(context)

    prompt, generation = [], []
    for _ in range(o.repeats + 1):  # the first one warms up
        llama.llama_memory_clear(llama.llama_get_memory(context), True)
        start = time.perf_counter()
        read(0, o.prompt)
        middle = time.perf_counter()
        for i in range(o.generate):
            read(i % o.prompt, 1)
        end = time.perf_counter()
        prompt.append(o.prompt / (middle - start))
        generation.append(o.generate / (end - middle))
    inference.print_answer(prompt[1:], generation[1:], f"llama-cpp-python {llama.__version__}")


if __name__ == "__main__":
    main()
