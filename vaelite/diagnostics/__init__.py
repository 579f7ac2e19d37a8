"""Checks of a fitted model, with numbers and words; training imports none of it."""
