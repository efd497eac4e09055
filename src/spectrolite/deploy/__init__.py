"""Export, quantize, prune and benchmark a trained model."""
