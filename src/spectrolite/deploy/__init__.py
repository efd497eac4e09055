"""Delivery: a trained network as a graph that other runtimes compute, smaller, and measured."""
