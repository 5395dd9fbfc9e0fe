/**
 * Everything that the package's front doors offer, in one. It is imported when a command runs: loading libtorch takes most of a second, which
 * help and wrong flags need not wait for.
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
