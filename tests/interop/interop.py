"""Shared by the tests: where things are, our programs, and llama.cpp behind a small interface.

A test is a script: it prints its figures, and ends with `finish`, which fails it if `check` saw anything wrong."""
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

MODEL = Path(os.environ["QL_TEST_MODEL"])  # SmolLM2-135M-Instruct, Q4_1
BIN = Path(os.environ["QL_TEST_BIN"])
LIBRARY = Path(os.environ["QL_TEST_LIB"])  # libql-models
SOURCE = Path(os.environ["QL_TEST_SOURCE"])
SCRATCH = Path(os.environ["QL_TEST_SCRATCH"])
MODEL_F16 = SCRATCH / "model-f16.gguf"  # these three are made by prepare.py
ADAPTER = SCRATCH / "adapter.gguf"      # trained by ql-finetune
FIXED_ADAPTER = SCRATCH / "fixed-adapter.gguf"  # fixed_adapter.py's, for which there are figures
LORA_R, LORA_ALPHA = 8, 32
N_TOP = 100  # log-probabilities asked for at each place: the 50 that are compared, and room for other orders of them

_failures = []


def check(good, message):
    """Notes a failure and goes on: one run shows all that is wrong."""
    if not good:
        _failures.append(message)


def finish():
    for message in _failures:
        print("FAILED: " + message)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1 if _failures else 0)  # llama.cpp's server threads must not hold up, or crash, the end of the interpreter


def program(name, *arguments):
    """Runs one of our programs; returns its JSON object with --json, else None."""
    command = [str(BIN / name), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        print(f"FAILED: {' '.join(command)}\nexited with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}", flush=True)
        os._exit(1)
    return json.loads(done.stdout) if "--json" in arguments else None


def chat(model, adapter, options, n_predict, compute="f32"):
    """What Llama.complete returns, but from ql-chat; adapter may be None."""
    lora = ["--lora", adapter] if adapter else []
    answer = program("ql-chat", "-m", model, *lora, *options, "-n", n_predict, "--temp", 0, "--logprobs", N_TOP,
                     "--compute", compute, "--json")
    places = answer["logprobs"]
    return [p["id"] for p in places], [{t["id"]: t["logprob"] for t in p["top"]} for p in places]


def has_bf16():
    """Whether this machine's kernels have a bf16 product."""
    command = [str(BIN / "ql-chat"), "-m", str(MODEL), "--raw", "-p", "x", "-n", "1", "--compute", "bf16"]
    return b"no bf16 product" not in subprocess.run(command, capture_output=True, check=False).stderr


def shared(relative):
    """A file of the data that is shared between checkouts, or None."""
    path = Path(os.environ.get("QL_SHARED", SOURCE.parent / "shared")) / relative
    return path if path.exists() else None


class Llama:
    """llama.cpp's server, in this process, with a model and perhaps adapters, which are all applied unless one is chosen."""

    def __init__(self, model, *adapters):
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(model)
        params.n_ctx = 512
        params.n_parallel = 1
        params.warmup = False
        params.verbosity = 0
        params.cpuparams.n_threads = 1  # its threads spin: more of them than idle cores is far slower than one
        params.cpuparams_batch.n_threads = 1
        # As exact as it can be told to compute: its fused attention sums values in F16, by default its cache is F16 too.
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        self._n_adapters = len(adapters)
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0) for adapter in adapters if adapter]
        self._server = xllamacpp.Server(params)

    def _post(self, path, body):
        request = urllib.request.Request(self._server.listening_address + path, data=json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def tokenize(self, text, add_special, parse_special):
        body = {"content": text, "add_special": add_special, "parse_special": parse_special}
        return self._post("/tokenize", body)["tokens"]

    def render_chat(self, messages):
        """The prompt that the model's own chat template makes."""
        return self._post("/apply-template", {"messages": messages})["prompt"]

    def complete(self, prompt, n_predict, only=None):
        """Greedy: the tokens' ids, and for each place {id: log-probability} of its most probable ones, the best first.
        only: the numbers of the adapters that are applied."""
        body = {"prompt": prompt, "max_tokens": n_predict, "temperature": 0, "logprobs": N_TOP, "cache_prompt": False}
        if only is not None:
            body["lora"] = [{"id": i, "scale": float(i in only)} for i in range(self._n_adapters)]
        answer = self._server.handle_completions(body)
        places = answer["choices"][0]["logprobs"]["content"]
        return [p["id"] for p in places], [{t["id"]: t["logprob"] for t in p["top_logprobs"]} for p in places]

    def next_logprobs(self, tokens, n):
        """{id: log-probability} of the n most probable tokens after these, which the next call may go on from."""
        answer = self._post("/completion", {"prompt": tokens, "n_predict": 1, "temperature": 0, "n_probs": n, "cache_prompt": True})
        return {t["id"]: t["logprob"] for t in answer["completion_probabilities"][0]["top_logprobs"]}
