"""Other models than the VAE, one that is known exactly, and inference row by row."""
