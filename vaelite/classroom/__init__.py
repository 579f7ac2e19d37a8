"""For courses: the identities of the ELBO as theorems, and verdicts on exercises."""
