/**
 * Everything that the package's front doors offer, in one object. It is imported when a command runs, because loading libtorch takes most of a second, for which
 * `--help` and wrong flags need not wait.
 */
export async function library() {
  const [torch, data, model, evaluate, shift, sharpness, train, report] = await Promise.all([
    import('../../torch/index.js'),
    import('../../data/index.js'),
    import('../../model/index.js'),
    import('../../evaluate/index.js'),
    import('../../shift/index.js'),
    import('../../sharpness/index.js'),
    import('../../train/index.js'),
    import('../../report/index.js'),
  ])
  return { ...torch, ...data, ...model, ...evaluate, ...shift, ...sharpness, ...train, ...report }
}
