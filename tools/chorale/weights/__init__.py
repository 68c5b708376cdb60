"""Weights of trained transformers as chorale reads them: readers of other programs' files, and what
becomes of their layers."""
