"""Below the mathematics: NumPy or CuPy arrays, random streams, and files of arrays."""
