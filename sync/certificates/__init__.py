"""From a value's text to certificates and CRLs, and what is wrong with each of them. Imports no other package."""
