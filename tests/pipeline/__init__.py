"""Whole runs through the real command and the public Python API."""
