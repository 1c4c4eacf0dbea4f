"""Rows of a table: estimators that follow scikit-learn, their memory, explanations and saved form."""
