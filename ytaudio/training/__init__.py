"""What a recipe needs and a test must hold: any checkpoint, crops, an exact loss, and the record of a run."""
