"""The only driver of training."""
