"""What `check` asks, by subject: the cases, what is right, and the known mistakes.

What is right comes from the library's own terms, so that no formula has a second copy.
"""
