"""One paper, one file: numbers -> keras.Model."""
