"""What a fit consists of: its settings, its plan, a trial of the terms, and its reports."""
