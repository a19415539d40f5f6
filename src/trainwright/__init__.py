"""Trainwright: spec in, trustworthy trained model out."""

__version__ = "0.1.0"
