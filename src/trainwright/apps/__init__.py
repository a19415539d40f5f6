"""Small faces of the library: they parse, call one pipeline function, and render."""
