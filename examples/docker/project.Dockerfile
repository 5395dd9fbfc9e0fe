# A project of yours that uses the package. The project has a package.json and a package-lock.json with optimum-shifting in it,
# and a program, here main.mjs:
#
#   docker build -f project.Dockerfile -t my-project .
#   docker run --rm my-project
FROM node:22-bookworm

# The image has a C++ compiler, make and Python 3.11. This adds what it lacks. With a prebuilt addon, the line is not needed.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends cmake python3-venv libturbojpeg0-dev \
  && rm -rf /var/lib/apt/lists/*

WORKDIR /app
# *.tgz: the package as a file of `npm pack`, as long as it is not on npm.
COPY package.json package-lock.json *.tgz ./
RUN npm ci

# PyTorch and the addon, in a folder that every user of the container can read. Docker repeats this step only if the packages
# change. --cpu takes PyTorch's build for the CPU, which is smaller by gigabytes; use --cuda on a machine with a GPU.
ENV SOS_HOME=/opt/optimum-shifting
RUN npx optimum-shifting setup --cpu

COPY . .
CMD ["node", "main.mjs"]
