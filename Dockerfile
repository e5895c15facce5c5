# Training on NVIDIA GPUs.
#
#   docker build --tag adafilter_tf .
#   docker run --rm --gpus all \
#     --volume "$PWD/runs:/home/trainer/runs" \
#     --volume "$PWD/tensorflow_datasets:/home/trainer/tensorflow_datasets" \
#     adafilter_tf --flagfile=configs/flowers.cfg
#
# The two folders must be writable for the user id 1000.
#
# A plain Python image, not tensorflow/tensorflow:2.21.0-gpu: the wheels that
# tensorflow[and-cuda] names are the CUDA and cuDNN that this TensorFlow was built with, so
# the host brings only its driver, and the container holds the versions of
# requirements.txt, no others.
FROM python:3.11-slim

# For container runtimes that go by the image's environment.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PYTHONUNBUFFERED=1

RUN useradd --create-home --uid 1000 trainer
WORKDIR /opt/adafilter_tf

# Before the code, so that a change of the code does not install these again.
COPY requirements.txt ./
RUN python -m pip install --no-cache-dir -r requirements.txt "tensorflow[and-cuda]==2.21.0"

COPY pyproject.toml setup.py README.md LICENSE ./
COPY adafilter_tf adafilter_tf
COPY configs configs
RUN python -m pip install --no-cache-dir --no-deps .

USER trainer
WORKDIR /home/trainer
COPY configs configs
# A new volume takes its owner from the folder that it is mounted on.
RUN mkdir runs tensorflow_datasets

ENTRYPOINT ["python", "-m", "adafilter_tf.run"]
