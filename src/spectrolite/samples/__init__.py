"""From labels to training samples: splits, leakage, band reduction, batches, augmentation."""
