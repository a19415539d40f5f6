"""Trainings that are ill in one way each, and healthy ones: what the doctor is measured on."""
