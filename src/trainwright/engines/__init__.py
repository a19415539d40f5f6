"""Engines: one file a framework, each behind the contract in `trainwright.engines.contract`."""
