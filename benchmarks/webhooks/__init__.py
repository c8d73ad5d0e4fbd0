"""How quickly the webhook receiver answers, and how many deliveries it takes."""
