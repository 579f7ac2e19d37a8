"""The VAE's sisters, the model that is known exactly, and inference row by row."""
