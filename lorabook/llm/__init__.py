"""Fine-tuning language models: the paper's experiments on a GPU, and the same code on small models of one's own.

Nothing else in lorabook imports this package, and importing it does not import torch.
"""
