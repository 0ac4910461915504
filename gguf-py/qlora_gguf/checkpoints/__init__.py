"""Hugging Face checkpoints of the llama architecture."""
from .checkpoint import Checkpoint

__all__ = ["Checkpoint"]
