"""Translation: the source sentence is the memory."""
