"""Feature extractors and transpose CNN decoders of images."""
