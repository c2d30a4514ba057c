"""A small network for the edge: the encoder's first block in narrow matrices, taught by the fine-tuned one."""
