"""What Cairn does, without HTTP: one package for each noun."""
