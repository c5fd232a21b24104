"""Engine-free rules of the feature layer: the catalogue, the packed layout, the product table."""
