"""Model x split to scores with intervals; models to a verdict; folds where videos are few."""
