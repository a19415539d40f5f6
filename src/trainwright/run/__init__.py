"""The run folder: layout, whole-or-nothing writes, hashes, checkpoints, manifest."""
