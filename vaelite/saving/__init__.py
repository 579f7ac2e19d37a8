"""A model as a file, the file of a fit that resumes, and what repeats a fit."""
