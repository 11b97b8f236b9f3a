"""From a value's text to certificates and CRLs, and what is wrong with each alone. Imports no other package."""
