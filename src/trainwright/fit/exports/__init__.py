"""Exports: golden rows, the proof, and what is written down of it. The formats are in `trainwright.fit.formats`."""
