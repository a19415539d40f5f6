"""Charts of the page, a file a subject: facts in, a `Chart` out, or None where it does not fit the run."""
