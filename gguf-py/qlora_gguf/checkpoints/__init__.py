"""Hugging Face checkpoints of the llama architecture, to GGUF.

    with checkpoints.Checkpoint.open("SmolLM2-135M-Instruct") as checkpoint:
        checkpoints.write_checkpoint(checkpoint, "model.gguf", "nf4_dq", say=print)
"""
from .checkpoint import Checkpoint
from .convert import write_checkpoint

__all__ = ["Checkpoint", "write_checkpoint"]
