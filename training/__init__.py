"""Scripts that train and measure the heads in analysis/weights; not installed with the package."""
