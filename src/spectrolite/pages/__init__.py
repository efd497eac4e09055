"""HTML pages and pictures of scenes, images, networks and comparisons."""
