"""The archives of published data sets, each turned into a folder of images."""
