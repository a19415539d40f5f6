"""The spec language: models, loading with positions, defaults and their origins."""
