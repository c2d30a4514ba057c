"""What operators see: metrics, log lines, and the ids that join them."""
