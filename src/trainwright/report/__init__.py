"""Documents rendered from the run folder alone."""
