"""For courses: checks of students' answers, and the ELBO's identities as theorems."""

from .checker import check
from .fallback import mine_or_library
from .verdict import Verdict

__all__ = ["Verdict", "check", "mine_or_library"]
