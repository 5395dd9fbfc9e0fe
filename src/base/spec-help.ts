/** How a dataset is named on the command line. On its own, so that `--help` loads no libtorch. */
export const specHelp =
  'imagefolder:DIR, imagenet:DIR:train|val, idx:DIR:train|test, cifar10:DIR:train|test or cifar100:DIR:train|test[:coarse]'
