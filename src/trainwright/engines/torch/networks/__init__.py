"""The networks: one file each, see `trainwright.engines.torch.networks.contract`."""
