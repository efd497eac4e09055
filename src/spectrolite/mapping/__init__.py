"""From a trained model and data to classes: windows, staged parts, GeoTIFF, areas."""
