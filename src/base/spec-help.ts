/** How datasets are named on the command line. It is here so that `--help` does not load libtorch. */
export const specHelp =
  'imagefolder:DIR, imagenet:DIR:train|val, idx:DIR:train|test, cifar10:DIR:train|test or cifar100:DIR:train|test[:coarse]'
