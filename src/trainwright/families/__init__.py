"""Model families: one file a family, described by the contract in `trainwright.families.contract`."""
