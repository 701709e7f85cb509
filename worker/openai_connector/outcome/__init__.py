"""From an answer or an error to what becomes of the job."""
