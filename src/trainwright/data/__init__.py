"""Tables: read, understand, split, turn into features."""
