"""Symptoms: pure functions, events in, findings out."""
