"""For courses: the identities of the ELBO as theorems, and exercises with verdicts."""
