"""What long work of many processes needs: workers, shared databases, locks, requests to stop."""
