"""What searches answer on the judged queries: how long, and whether one answer is enough."""
