"""What can be known of a network before it is trained; see `trainwright.engines.torch.experiments.examine`."""
