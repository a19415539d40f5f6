"""Words everyone shares: errors, events, findings, units, seeds, the clock, the plug-in registry, metrics."""
