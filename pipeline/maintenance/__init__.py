"""`inv maintenance`: what the document asks for weekly, monthly and quarterly, with evidence."""
