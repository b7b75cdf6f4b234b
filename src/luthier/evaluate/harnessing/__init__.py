"""Parts of ``evaluate.harness``: our models as the harness sees them, its tasks, its samples."""
