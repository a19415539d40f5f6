"""The stages of a run: each takes values and the run folder, and leaves values and files."""
