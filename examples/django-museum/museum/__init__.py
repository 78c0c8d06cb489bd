"""A museum's catalogue: collections, specimens, and who curates them."""
