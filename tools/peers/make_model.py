"""Writes a model of SmolLM2-135M's shape with random weights as a transformers folder: the speed of a step does not
depend on the values.      make_model.py FOLDER
"""
import sys

import torch
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(1)
config = LlamaConfig(hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
                     num_key_value_heads=3, vocab_size=49152, tie_word_embeddings=True, max_position_embeddings=8192,
                     rms_norm_eps=1e-5, initializer_range=0.02)
LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(sys.argv[1])
