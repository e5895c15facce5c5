"""Packages `configs/` as `adafilter_tf/configs`; all else is in pyproject.toml."""

import setuptools

setuptools.setup(
    packages=[
        *setuptools.find_packages(include=["adafilter_tf", "adafilter_tf.*"]),
        "adafilter_tf.configs",
    ],
    package_dir={"adafilter_tf.configs": "configs"},
)
