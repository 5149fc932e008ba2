"""SHAP values of trees and networks on tables."""
