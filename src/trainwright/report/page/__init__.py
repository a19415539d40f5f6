"""report.html: one self-contained file that tells the story of a run, with charts drawn here as SVG."""
