"""LIME and SHAP on iris."""
