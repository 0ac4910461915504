"""LoRA adapters: GGUF for llama.cpp, and PEFT directories, both ways.

    base = adapters.Base.open("model.gguf")                      # or a Hugging Face directory
    adapters.write_gguf(adapters.read_peft("adapter-peft", base), "adapter.gguf", base)
    adapters.write_peft(adapters.read_gguf("adapter.gguf", base), base, "adapter-peft")
"""
from .base import Base
from .gguf_adapter import is_adapter, read_gguf, write_gguf
from .lora import Adapter, LoraMatrix
from .peft import read_peft, write_peft
from .tokens import TokenRows

__all__ = ["Adapter", "Base", "LoraMatrix", "TokenRows", "is_adapter", "read_gguf", "read_peft", "write_gguf", "write_peft"]
