"""HTTP routes: they only translate, and call the predictor."""
