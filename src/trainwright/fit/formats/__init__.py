"""Export formats, one a file; `contract` says what a file provides."""
