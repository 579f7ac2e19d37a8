"""What a fit consists of: settings, a plan, a trial of the terms, and reports."""
