"""Training logs of any origin as a `trainwright.doctor.history.History`; see `trainwright.doctor.logs.open`."""
