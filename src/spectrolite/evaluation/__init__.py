"""Metrics, baselines, reports, calibration, significance and checks of any network."""
