"""A LoRA pair on a head of its own (output.weight): ours gives what a head with the pair merged into it gives, and
llama.cpp with the pair is no further from ours than it is on the merged head, where no adapter takes part."""
import gguf
import numpy as np

import fixed_adapter
from interop import MODEL_F16, SCRATCH, Llama, chat, check, finish
from prompts import TEXTS

HEAD, EMBEDDING = "output.weight", "token_embd.weight"
LIMIT = 1e-3


def copy_key(writer, field):
    if field.name.startswith("GGUF.") or field.name == "general.architecture":
        return  # the writer makes these itself
    array = field.types[0] == gguf.GGUFValueType.ARRAY
    writer.add_key_value(field.name, field.contents(), field.types[0], field.types[-1] if array else None)


def write_model(path, head):
    """The F16 model, with a head of its own in F32."""
    reader, writer = gguf.GGUFReader(MODEL_F16), gguf.GGUFWriter(path, "llama")
    for field in reader.fields.values():
        copy_key(writer, field)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data)
    writer.add_tensor(HEAD, head)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def distances(one, other):
    """Differences of the log-probabilities of the first's ten best tokens."""
    return [abs(value - other.get(token, float("-inf"))) for token, value in list(one.items())[:10]]


embedding = next(t for t in gguf.GGUFReader(MODEL_F16).tensors if t.name == EMBEDDING)
head = embedding.data.astype(np.float32)
a, b = fixed_adapter.matrices(0, head.shape[1], head.shape[0])
base, merged, adapter = SCRATCH / "head.gguf", SCRATCH / "head-merged.gguf", SCRATCH / "head-adapter.gguf"
write_model(base, head)
write_model(merged, head + fixed_adapter.ALPHA / fixed_adapter.R * (b @ a))
fixed_adapter.write_pairs(adapter, [(HEAD, a, b)])

prompts = TEXTS[:6]
ours = [chat(base, adapter, ["--raw", "-p", p], 1)[1][0] for p in prompts]
ours_merged = [chat(merged, None, ["--raw", "-p", p], 1)[1][0] for p in prompts]
without = [chat(base, None, ["--raw", "-p", p], 1)[1][0] for p in prompts]
llama = Llama(base, adapter)
theirs = [llama.complete(p, 1)[1][0] for p in prompts]
llama = Llama(merged)
theirs_merged = [llama.complete(p, 1)[1][0] for p in prompts]


def worst(pairs):
    return max(max(distances(one, other)) for one, other in pairs)


exact, rounding = worst(zip(ours, ours_merged)), worst(zip(ours_merged, theirs_merged))
apart = worst(zip(ours, theirs))
moved = np.mean([min(d, 10) for one, other in zip(ours, without) for d in distances(one, other)])
print(f"pair to merged head, ours {exact:.5f}; llama.cpp to ours {apart:.5f}, on the merged head {rounding:.5f}; "
      f"the pair moves the same values by {moved:.3f} in the mean")
check(exact <= LIMIT, f"the pair on the head gives other values than the merged head: {exact:.5f}")
check(apart <= 2 * rounding + LIMIT, f"llama.cpp applies the pair otherwise: {apart:.5f}")
check(moved > 20 * LIMIT, "the pair changes next to nothing")
for path in (base, merged):
    path.unlink()
finish()
