# The demo in a clone of this repository:
#
#   docker build -f examples/docker/clone.Dockerfile -t optimum-shifting-demo .
#   docker run --rm optimum-shifting-demo
#
# pip takes PyTorch from PyPI. For x86-64 that is the build with CUDA, several gigabytes. A much smaller image results from the
# build for the CPU, which comes from PyTorch's own index: docker build --build-arg PIP_EXTRA_INDEX_URL=… (see PyTorch's site).
FROM node:22-bookworm

# The image has a C++ compiler, make, git and Python 3.11. This adds what it lacks.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends cmake python3-venv libturbojpeg0-dev \
  && rm -rf /var/lib/apt/lists/*

WORKDIR /optimum-shifting
COPY . .
ARG PIP_EXTRA_INDEX_URL
RUN npm run setup

CMD ["npm", "run", "demo"]
